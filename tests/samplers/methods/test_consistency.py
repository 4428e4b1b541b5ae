import pytest
import torch
from torch import Tensor

from samplers.grids import uniform_lam, uniform_t
from samplers.methods.consistency import Consistency, consistency_function
from samplers.noise import brownian
from samplers.schedule import EDM, NoiseSchedule, VPLinear
from samplers.types import Denoiser, last
from tests.samplers.affine import marginal, sampled
from tests.samplers.exact import MEANS, SCHEDULES, STDS, WEIGHTS, cdf, flow, gaussian

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
MEAN, SPREAD = (torch.full((1, 1, 1), v, dtype=torch.float64) for v in (0.3, 0.25))


def exact(schedule: NoiseSchedule) -> Denoiser:
    """The consistency function of N(0.3, 0.25): its flow map, mu + sqrt(l / v_s) (x - alpha_s mu)."""

    def jump(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        (mean, variance), (mean_t, variance_t) = (marginal(schedule, MEAN, SPREAD, float(u)) for u in (s, t))
        return mean_t + (variance_t / variance).sqrt() * (x - mean)

    return consistency_function(jump, schedule)


@each_schedule
@pytest.mark.parametrize("steps", [1, 3])
def test_every_state_has_the_exact_law_of_a_gaussian(schedule, steps):
    end = float(schedule.t_of_lam(1.5))
    grid = uniform_lam(schedule, steps, start=0.9, end=end)
    found = sampled(Consistency(), exact(schedule), schedule, MEAN, SPREAD, grid)
    for one, other in zip(found, marginal(schedule, MEAN, SPREAD, end), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@each_schedule
def test_a_denoisers_mean_is_rejected(schedule):
    """The x0 of a plain denoiser in the same loop loses variance."""
    end = float(schedule.t_of_lam(1.5))
    grid = uniform_lam(schedule, 3, start=0.9, end=end)
    _, variance = sampled(Consistency(), gaussian(schedule, 0.3, 0.25), schedule, MEAN, SPREAD, grid)
    assert float(variance) < 0.9 * float(marginal(schedule, MEAN, SPREAD, end)[1])


def test_a_mixture_is_reached_from_noise_in_two_steps():
    """One step keeps the quantile; two have the law of the data, by Kolmogorov and Smirnov at a 1e-4 level."""

    def jump(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return flow(VPLinear(), x, float(s), float(t))

    law, n = consistency_function(jump, VPLinear()), 2000
    spread = (float(VPLinear().alpha(1.0)) ** 2 * STDS**2 + float(VPLinear().sigma(1.0)) ** 2).sqrt()
    generator = torch.Generator().manual_seed(0)
    pick = torch.multinomial(WEIGHTS, n, replacement=True, generator=generator)
    x = float(VPLinear().alpha(1.0)) * MEANS[pick] + spread[pick] * torch.randn(n, generator=generator).double()
    x = x.view(-1, 1, 1, 1)
    once = last(Consistency()(law, VPLinear(), x, uniform_t(1), noise=brownian(0)))
    torch.testing.assert_close(once, flow(VPLinear(), x, 1.0, 0.0), rtol=1e-9, atol=1e-9)
    twice = last(Consistency()(law, VPLinear(), x, uniform_t(2), noise=brownian(0)))
    ranks = cdf(VPLinear(), twice, 0.0).flatten().sort().values
    assert float((ranks - torch.arange(1, n + 1) / n).abs().max()) < 2.2 / n**0.5
    assert not torch.allclose(once, twice, atol=0.1)


def test_noise_is_needed():
    with pytest.raises(ValueError, match="pass a noise"):
        last(Consistency()(exact(EDM()), EDM(), torch.zeros(1, 1, 1, 1).double(), uniform_t(1)))
