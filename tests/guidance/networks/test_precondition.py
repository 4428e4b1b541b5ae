import pytest
import torch
from torch import Tensor

from guidance.networks.precondition import FORMS, Preconditioner
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, VPCosine, VPLinear

SCHEDULES = (VPCosine(), VPLinear(), VE(), EDM(), RectifiedFlow())
TIMES = torch.tensor([0.003, 0.05, 0.2, 0.5, 0.8, 0.97], dtype=torch.float64)
STD = 0.5


def weights(precondition: Preconditioner, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The target is linear in x0 and eps: its two weights."""
    one, zero = torch.ones_like(alpha), torch.zeros_like(alpha)
    return precondition.target(one, zero, alpha, sigma), precondition.target(zero, one, alpha, sigma)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_edm_target_of_gaussian_data_is_white_and_unpredictable(schedule: NoiseSchedule):
    """For data N(0, STD^2) the best raw output is 0, and its loss is 1 at every noise level."""
    alpha, sigma = schedule.alpha(TIMES), schedule.sigma(TIMES)
    x0, eps = weights(Preconditioner("edm", STD), alpha, sigma)
    assert torch.allclose(x0**2 * STD**2 + eps**2, torch.ones_like(alpha))
    assert torch.allclose(x0 * STD**2 * alpha + eps * sigma, torch.zeros_like(alpha), atol=1e-12)  # against x_t


def test_the_wrong_output_scale_is_rejected():
    """Known wrong variants: c_out without its root, c_out for other data, eps read as the EDM target."""
    alpha, sigma = EDM().alpha(TIMES), EDM().sigma(TIMES)
    right = Preconditioner("edm", STD)
    x0, eps = weights(right, alpha, sigma)
    out = right._skip_out(alpha, sigma)[1]
    rootless = sigma * STD
    wrong = {"rootless": (x0 * out / rootless, eps * out / rootless)}
    wrong["other data"] = weights(Preconditioner("edm", 1.0), alpha, sigma)
    wrong["v"] = weights(Preconditioner("v", STD), alpha, sigma)
    for a, b in wrong.values():
        assert (a**2 * STD**2 + b**2 - 1).abs().max() > 0.1


def test_edm_coefficients_are_those_of_the_paper():
    alpha, sigma = EDM().alpha(TIMES), EDM().sigma(TIMES)
    precondition = Preconditioner("edm", STD)
    skip, out = precondition._skip_out(alpha, sigma)
    assert torch.allclose(skip, STD**2 / (sigma**2 + STD**2))
    assert torch.allclose(out, sigma * STD / (sigma**2 + STD**2).sqrt())
    assert torch.allclose(precondition.scale_in(alpha, sigma), 1 / (sigma**2 + STD**2).sqrt())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("form", FORMS)
def test_targets_and_predictions_invert_each_other(form, schedule):
    rng = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, len(TIMES), 5, generator=rng, dtype=torch.float64)
    alpha, sigma = schedule.coefficients(TIMES, x0)
    precondition = Preconditioner(form, STD)
    x_t = alpha * x0 + sigma * eps
    target = precondition.target(x0, eps, alpha, sigma)
    read = precondition.prediction(target, x_t, alpha, sigma)
    assert torch.allclose(read.x0, x0, atol=1e-9)
    assert torch.allclose(read.eps, eps, atol=1e-9)
    assert not torch.allclose(precondition.prediction(-target, x_t, alpha, sigma).x0, x0, atol=1e-2)


def bayes(raw: float, x_t: float, alpha: float, sigma: float, prior: float) -> tuple[float, float]:
    """Mean and variance of x0 ~ N(raw, prior^2) given x_t = alpha x0 + sigma eps, by summing over a fine grid."""
    spread = 12 * min(prior, sigma / alpha)
    center = raw if prior < sigma / alpha else x_t / alpha
    x0 = torch.linspace(center - 2 * spread, center + 2 * spread, 200_001, dtype=torch.float64)
    log = -((x0 - raw) ** 2) / (2 * prior**2) - (x_t - alpha * x0) ** 2 / (2 * sigma**2)
    weight = log.softmax(0)
    mean = (weight * x0).sum()
    return float(mean), float((weight * (x0 - mean) ** 2).sum())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("prior", [0.1, 0.4])
def test_the_posterior_form_is_bayes(schedule, prior):
    """Mean of the posterior by brute force; its loss is the squared error of x0 over the posterior's variance, up to
    the prior's, which is the same at all noise levels."""
    precondition = Preconditioner("posterior", STD, prior)
    rng = torch.Generator().manual_seed(0)
    for t in TIMES:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x0 = torch.randn((), generator=rng, dtype=torch.float64)
        raw = x0 + prior * torch.randn((), generator=rng, dtype=torch.float64)
        eps = torch.randn((), generator=rng, dtype=torch.float64)
        x_t = alpha * x0 + sigma * eps
        mean, variance = bayes(float(raw), float(x_t), float(alpha), float(sigma), prior)
        read = precondition.prediction(raw, x_t, alpha, sigma).x0
        assert float(read) == pytest.approx(mean, rel=1e-5, abs=1e-6)
        weight = precondition.weight(alpha, sigma)
        loss = weight * (raw - precondition.target(x0, eps, alpha, sigma)) ** 2
        expected = prior**2 * (float(read) - float(x0)) ** 2 / variance
        assert float(loss) == pytest.approx(expected, rel=1e-4)
        if weight < 0.99:
            assert float(loss / weight) != pytest.approx(expected, rel=1e-3)  # the wrong variant: no weight


def test_the_posterior_form_trusts_pixels_at_weak_noise_and_the_network_at_strong():
    precondition = Preconditioner("posterior", STD)
    raw, x_t = torch.tensor([-0.8, 0.3]), torch.tensor([0.5, -0.2])
    one, zero = torch.ones(2), torch.zeros(2)
    for sigma in (0.0, 1e-30, 1e-12, 1e-4):
        read = precondition.prediction(raw, x_t, one, torch.full((2,), sigma)).x0
        assert torch.allclose(read, x_t, atol=1e-5)
    for alpha in (0.0, 1e-30, 1e-12, 1e-4):
        read = precondition.prediction(raw, x_t, torch.full((2,), alpha), one).x0
        assert torch.allclose(read, raw, atol=1e-5)
        assert precondition.target(x_t, raw, torch.full((2,), alpha), one).isfinite().all()
    far = precondition.prediction(raw, x_t, one, torch.full((2,), 1e4)).x0
    assert torch.allclose(far, raw, atol=1e-5)
    for alpha, sigma in ((one, zero), (zero, one)):
        weight = precondition.weight(alpha, sigma)
        assert isinstance(weight, torch.Tensor)
        assert torch.equal(weight, sigma)


@pytest.mark.parametrize("form", [f for f in FORMS if f != "posterior"])
def test_other_forms_need_no_weight(form):
    assert Preconditioner(form, STD).weight(TIMES.cos(), TIMES.sin()) == 1.0


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_input_has_unit_variance(schedule):
    alpha, sigma = schedule.alpha(TIMES), schedule.sigma(TIMES)
    scale = Preconditioner("eps", STD).scale_in(alpha, sigma)
    assert torch.allclose(scale**2 * (alpha**2 * STD**2 + sigma**2), torch.ones_like(alpha))


def test_bad_settings_are_one_clear_line():
    with pytest.raises(ValueError, match=r"prior_std must be positive, got -0\.1"):
        Preconditioner("posterior", prior_std=-0.1)
    with pytest.raises(ValueError, match=r"data_std must be positive, got 0\.0"):
        Preconditioner("v", 0.0)
    wrong = object.__new__(Preconditioner)
    object.__setattr__(wrong, "form", "epsilon")
    with pytest.raises(ValueError, match="unknown prediction form 'epsilon'; known: v, eps, x0, flow, edm, posterior"):
        wrong.__post_init__()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("schedule", [VPCosine(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_the_slope_of_x0_over_the_raw_output(form, schedule):
    x, t = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    alpha, sigma = schedule.coefficients(t, x)
    reading = Preconditioner(form)
    moved = reading.prediction(x + 1, x, alpha, sigma).x0 - reading.prediction(x, x, alpha, sigma).x0
    torch.testing.assert_close(moved.abs(), reading.x0_per_raw(alpha, sigma), rtol=1e-12, atol=0)
