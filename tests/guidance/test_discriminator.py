from typing import get_args

import pytest
import torch
from torch import Tensor

from guidance.discriminator import DiscriminatorGuided
from samplers.grids import uniform_t
from samplers.methods.ddim import DDIM
from samplers.prediction import Kind
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPCosine, VPLinear
from samplers.types import last
from tests.samplers.exact import gaussian

X = torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = torch.tensor([0.02, 0.2, 0.4, 0.6, 0.8, 0.99], dtype=torch.float64)
THOUGHT, TRUE = (-0.2, 0.3), (0.4, 0.1)  # mean and variance: what the teacher thinks, and the data
each_schedule = pytest.mark.parametrize(
    "schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__
)


def optimal(schedule: NoiseSchedule, scale_in: bool = False):
    """log q_t(data) - log p_t(teacher), the logit of the best discriminator; with `scale_in` its inside sees x_t of
    unit variance, as a network does."""

    def logit(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.coefficients(t, x_t)
        scale = (0.25 * alpha**2 + sigma**2).rsqrt() if scale_in else torch.ones_like(alpha)
        u = x_t * scale

        def log_density(mean: float, variance: float) -> Tensor:
            spread = scale**2 * (alpha**2 * variance + sigma**2)
            return -0.5 * ((u - scale * alpha * mean) ** 2 / spread + spread.log()).flatten(1).sum(1)

        return log_density(*TRUE) - log_density(*THOUGHT)

    return logit


@each_schedule
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("scale_in", [False, True])
def test_the_optimal_discriminator_of_two_gaussians_returns_the_true_eps(schedule, kind, scale_in):
    x = X * schedule.sigma(T).view(-1, 1, 1, 1)
    guided = DiscriminatorGuided(gaussian(schedule, *THOUGHT, kind), optimal(schedule, scale_in))
    found, true = guided(x, T), gaussian(schedule, *TRUE)(x, T)
    assert found.kind == kind
    torch.testing.assert_close(found.eps, true.eps, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(found.x0, true.x0, rtol=1e-6, atol=1e-6)


def test_wrong_variants_are_rejected():
    """No sigma, the other sign, x0 moved by sigma^2 without 1 / alpha, the gradient at the scaled input."""
    schedule = VPLinear()
    thought, true = gaussian(schedule, *THOUGHT)(X, T), gaussian(schedule, *TRUE)(X, T)
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(optimal(schedule)(x, T).sum(), x)
    alpha, sigma = schedule.coefficients(T, X)
    torch.testing.assert_close(thought.eps - sigma * gradient, true.eps, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(thought.x0 + sigma**2 / alpha * gradient, true.x0, rtol=1e-6, atol=1e-6)
    scaled = gradient * (0.25 * alpha**2 + sigma**2).sqrt()
    for wrong in (thought.eps - gradient, thought.eps + sigma * gradient, thought.eps - sigma * scaled):
        assert not torch.allclose(wrong, true.eps, atol=1e-2)
    assert not torch.allclose(thought.x0 + sigma**2 * gradient, true.x0, atol=1e-2)


def test_the_weight_goes_from_the_teacher_past_the_data():
    schedule, logit = VPLinear(), optimal(VPLinear())
    teacher = gaussian(schedule, *THOUGHT)
    none, half, whole = (DiscriminatorGuided(teacher, logit, w)(X, T).eps for w in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, teacher(X, T).eps, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(half, (none + whole) / 2, rtol=1e-9, atol=1e-9)


def test_from_pure_noise_and_without_gradients():
    """alpha = 0 at the start, inference mode outside: the path ends where the data's own denoiser would end."""
    schedule = VPCosine()
    guided = DiscriminatorGuided(gaussian(schedule, *THOUGHT, "v"), optimal(schedule))
    grid = uniform_t(20)
    with torch.no_grad():
        found = last(DDIM()(guided, schedule, X, grid))
        true = last(DDIM()(gaussian(schedule, *TRUE, "v"), schedule, X, grid))
    assert bool(found.isfinite().all())
    assert not found.requires_grad
    # They differ by what the first step, whose start no discriminator sees, makes of another mean.
    torch.testing.assert_close(found, true, rtol=0, atol=0.1)
    assert float((found - last(DDIM()(gaussian(schedule, *THOUGHT, "v"), schedule, X, grid))).abs().mean()) > 0.2


def test_samples_do_not_see_each_other():
    guided = DiscriminatorGuided(gaussian(VPLinear(), *THOUGHT), optimal(VPLinear()))
    alone = guided(X[2:3], T[2:3]).eps
    torch.testing.assert_close(guided(X, T).eps[2:3], alone, rtol=1e-12, atol=1e-12)
