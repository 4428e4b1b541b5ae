import pytest
import torch
from diffusers import HeunDiscreteScheduler

from samplers.grids import nodes, tabulated, uniform_lam
from samplers.methods.heun import Heun
from samplers.schedule import EDM, NoiseSchedule, Tabulated
from samplers.types import last
from tests.samplers.exact import SCHEDULES, TABLE, flow, gaussian, mixture, starts

START = torch.randn(6, 1, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs
def test_equals_diffusers():
    """Its state is x / alpha, and it lists every inner time twice."""
    schedule, grid = Tabulated(TABLE), tabulated("trailing", 12)
    reference = HeunDiscreteScheduler(timestep_spacing="trailing")
    reference.set_timesteps(12)
    rho = schedule.sigma(grid) / schedule.alpha(grid)
    reference.sigmas = torch.cat([rho[:1], rho[1:-1].repeat_interleave(2), rho[-1:]])
    times = torch.cat([grid[:1], grid[1:-1].repeat_interleave(2)])
    reference.timesteps = torch.arange(len(times))  # labels only
    law, x = mixture(schedule), START / schedule.alpha(1.0)
    for label, t in zip(reference.timesteps, times, strict=True):
        alpha = schedule.alpha(t)
        x = reference.step(law(alpha * x, t).eps, label, x).prev_sample
    torch.testing.assert_close(last(Heun()(mixture(schedule), schedule, START, grid)), x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_reaches_the_flow_map_of_a_gaussian(schedule: NoiseSchedule):
    """alpha_t mu + sqrt(v_t / v_s) (x - alpha_s mu)."""
    mean, spread = 0.3, 0.25
    grid = uniform_lam(schedule, 200, start=0.9, end=float(schedule.t_of_lam(2.5)))
    s, t = nodes(schedule, grid[[0, -1]])
    x = START * s.sigma
    slope = ((t.alpha**2 * spread + t.sigma**2) / (s.alpha**2 * spread + s.sigma**2)) ** 0.5
    found = last(Heun()(gaussian(schedule, mean, spread), schedule, x, grid))
    torch.testing.assert_close(found, t.alpha * mean + slope * (x - s.alpha * mean), rtol=0, atol=2e-4)


def test_reaches_the_flow_map_of_a_mixture_from_pure_noise():
    """The quantile survives the whole way: 30 % of the noise ends in the lighter mode."""
    grid = uniform_lam(EDM(), 100, start=1.0, end=float(EDM().t_of_lam(5.0)))
    x = starts(EDM(), 1.0)
    found = last(Heun()(mixture(EDM()), EDM(), x, grid))
    torch.testing.assert_close(found, flow(EDM(), x, 1.0, float(grid[-1])), rtol=0, atol=5e-3)
