import pytest
import torch

from samplers.grids import uniform_lam
from samplers.methods.ddpm import DDPM
from samplers.schedule import EDM, VE, NoiseSchedule
from tests.samplers.affine import marginal, sampled
from tests.samplers.exact import SCHEDULES, gaussian


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(("variance", "spread"), [("small", 0.0), ("large", 1.0)])
def test_the_marginal_is_exact_in_three_steps(schedule: NoiseSchedule, variance, spread: float):
    """Without Monte Carlo, on every path, the exploding ones too: small for one point, large for the unit Gaussian."""
    grid = uniform_lam(schedule, 3, start=0.9, end=float(schedule.t_of_lam(0.5)))
    mean, var = torch.full((1, 1, 1), 0.3, dtype=torch.float64), torch.full((1, 1, 1), spread, dtype=torch.float64)
    law = gaussian(schedule, 0.3, spread)
    found = sampled(DDPM(variance), law, schedule, mean, var, grid)
    for one, other in zip(found, marginal(schedule, mean, var, float(grid[-1])), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    wrong = sampled(DDPM("large" if variance == "small" else "small"), law, schedule, mean, var, grid)
    assert not torch.allclose(wrong[1], found[1], rtol=1e-2)


@pytest.mark.parametrize("schedule", [VE(), EDM()], ids=lambda s: type(s).__name__)
def test_the_familiar_beta_is_zero_where_variance_explodes(schedule: NoiseSchedule):
    """1 - alpha_s^2 / alpha_t^2 draws nothing there: that mutant ends with the variance of the mean alone."""
    assert float(schedule.alpha(0.9)) == float(schedule.alpha(0.1)) == 1.0
    grid = uniform_lam(schedule, 200, start=0.9, end=float(schedule.t_of_lam(2.0)))
    mean, var = torch.zeros(1, 1, 1, dtype=torch.float64), torch.full((1, 1, 1), 0.25, dtype=torch.float64)
    _, found = sampled(DDPM(), gaussian(schedule, 0.0, 0.25), schedule, mean, var, grid)
    _, right = marginal(schedule, mean, var, float(grid[-1]))
    torch.testing.assert_close(found, right, rtol=0.08, atol=0)
