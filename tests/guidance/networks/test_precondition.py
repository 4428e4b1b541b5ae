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


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_input_has_unit_variance(schedule):
    alpha, sigma = schedule.alpha(TIMES), schedule.sigma(TIMES)
    scale = Preconditioner("eps", STD).scale_in(alpha, sigma)
    assert torch.allclose(scale**2 * (alpha**2 * STD**2 + sigma**2), torch.ones_like(alpha))


def test_bad_settings_are_one_clear_line():
    with pytest.raises(ValueError, match=r"data_std must be positive, got 0\.0"):
        Preconditioner("v", 0.0)
    wrong = object.__new__(Preconditioner)
    object.__setattr__(wrong, "form", "epsilon")
    with pytest.raises(ValueError, match="unknown prediction form 'epsilon'; known: v, eps, x0, flow, edm"):
        wrong.__post_init__()
