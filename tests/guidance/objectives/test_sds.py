import pytest
import torch

from guidance.objective import as_loss, draw_noise
from guidance.objectives.sds import SDS
from guidance.teacher import Guided
from guidance.teachers.mixture import Mixture
from guidance.times import Times
from samplers.schedule import EDM, RectifiedFlow, VPLinear
from tests.guidance.pair import MEAN_C, MEAN_U, SHAPE, SPREAD, denoised, guided

G = torch.Generator().manual_seed(4)
X = torch.randn(4, *SHAPE, generator=G, dtype=torch.float64)
NOISE = torch.randn(1, 4, *SHAPE, generator=G, dtype=torch.float64)
T = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)
MEAN = MEAN_U + 5 * (MEAN_C - MEAN_U)


def test_direction_in_closed_form_on_a_gaussian():
    """w (eps_hat - eps) with w = sigma^2 and eps_hat = sigma (x_t - alpha mean) / v."""
    alpha, sigma = VPLinear().coefficients(T, X)
    x_t = alpha * X + sigma * NOISE[0]
    eps = sigma * (x_t - alpha * MEAN) / (alpha**2 * SPREAD + sigma**2)
    found = SDS()(X, guided(5.0), T, NOISE).grad
    torch.testing.assert_close(found, sigma**2 * (eps - NOISE[0]), rtol=1e-7, atol=1e-9)
    assert not torch.allclose(found, sigma**2 * (NOISE[0] - eps), atol=1e-2)  # the sign
    assert not torch.allclose(found, sigma**2 * eps, atol=1e-2)  # without the drawn noise
    assert not torch.allclose(found, sigma * (eps - NOISE[0]), atol=1e-2)  # w = sigma


def test_hand_written_gradient_is_that_of_the_frozen_residual():
    """Autograd through x alone, with the teacher's output a constant: no U-Net Jacobian."""
    x = X.clone().requires_grad_()
    direction = SDS()(x, guided(5.0), T, NOISE)
    as_loss(x, direction).backward()
    y = X.clone().requires_grad_()
    alpha, sigma = VPLinear().coefficients(T, y)
    x_t = alpha * y + sigma * NOISE[0]
    residual = guided(5.0)(x_t, T).eps - NOISE[0]
    (sigma**2 * residual.detach() * y).sum().mul(16384 / y.numel()).backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=1e-12)
    # the mutant that differentiates the teacher is a different gradient
    z = X.clone().requires_grad_()
    residual = guided(5.0)(alpha * z + sigma * NOISE[0], T).eps - NOISE[0]
    (0.5 * sigma**2 * residual.square()).sum().mul(16384 / z.numel()).backward()
    assert not torch.allclose(x.grad, z.grad, rtol=1e-2)


@pytest.mark.parametrize("schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_x0_residual_is_the_eps_residual_times_sigma_over_alpha(schedule):
    alpha, sigma = schedule.coefficients(T, X)
    found = SDS(weighting="x0")(X, guided(5.0, schedule=schedule), T, NOISE).grad
    target = denoised(alpha * X + sigma * NOISE[0], T, MEAN, schedule)
    torch.testing.assert_close(found, X - target, rtol=1e-7, atol=1e-7)
    share = sigma**2 / (alpha**2 + sigma**2)
    other = SDS()(X, guided(5.0, schedule=schedule), T, NOISE).grad / share
    torch.testing.assert_close(found, sigma / alpha * other, rtol=1e-7, atol=1e-7)


def test_rescale_brings_the_standard_deviation_back():
    g = guided(20.0)
    x_t = VPLinear().diffuse(X, T, NOISE[0])
    plain, unguided = g(x_t, T).x0, g.parts(x_t, T)[1].x0
    full = X - SDS(weighting="x0", rescale=1.0)(X, g, T, NOISE).grad
    dims = (1, 2, 3)
    torch.testing.assert_close(full.std(dims), unguided.std(dims), rtol=1e-9, atol=0)
    assert bool((plain.std(dims) > 3 * unguided.std(dims)).all())
    half = X - SDS(weighting="x0", rescale=0.5)(X, g, T, NOISE).grad
    torch.testing.assert_close(half, (full + plain) / 2, rtol=1e-9, atol=1e-9)


def test_collapses_to_one_mode_of_a_mixture():
    """256 points that descend the same objective all end in the heavier mode, and closer together than that mode is
    wide: the law of the data (30 % in the other mode, standard deviation 0.92) is lost. VSD must not do this."""
    means = torch.tensor([-1.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1)
    teacher = Mixture(VPLinear(), torch.tensor([0.3, 0.7]).double(), means, torch.full_like(means, 0.01))
    everything = teacher.embed([""])
    g = Guided(teacher, everything, everything, 1.0)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 1, 1, 1, generator=generator, dtype=torch.float64)
    assert 0.4 < float((x > 0).double().mean()) < 0.6
    times = Times(final_high=0.2, anneal=(0.3, 0.6))
    for step in range(600):
        noise = draw_noise(SDS(), x, generator)
        x = x - 0.1 * SDS()(x, g, times.draw(256, step / 600, generator), noise).grad
    assert float(x.min()) > 0.7
    assert float(x.std()) < 0.06


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="needs weighting x0"):
        SDS(rescale=0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        SDS(weighting="x0", rescale=1.5)
