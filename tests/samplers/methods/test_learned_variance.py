from dataclasses import replace

import pytest
import torch
from torch import Tensor

from samplers.grids import nodes, uniform_lam
from samplers.methods.analytic_dpm import AnalyticDPM
from samplers.methods.learned_variance import LearnedVariance
from samplers.noise import brownian
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule, VPLinear
from samplers.statistics import DenoisingStatistics
from samplers.types import Denoiser, Sampler, last
from tests.samplers.affine import marginal, sampled
from tests.samplers.exact import SCHEDULES

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
MEAN = torch.tensor([0.3, -0.2, 0.0, 0.5], dtype=torch.float64).view(4, 1, 1)
SPREAD = torch.tensor([0.01, 0.09, 0.25, 0.9], dtype=torch.float64).view(4, 1, 1)


def exact(schedule: NoiseSchedule) -> Denoiser:
    """The denoiser of N(MEAN, diag SPREAD), with the variance of x0 that an exact head of either kind gives."""

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = schedule.coefficients(t, x_t)
        total = alpha**2 * SPREAD + sigma**2
        x0 = MEAN + alpha * SPREAD / total * (x_t - alpha * MEAN)
        return Prediction(x0, "x0", x_t, alpha, sigma, (SPREAD * sigma**2 / total).expand_as(x_t))

    return denoise


def error(sampler: Sampler, schedule: NoiseSchedule) -> Tensor:
    """Relative error of the variance of every element after five steps."""
    grid = uniform_lam(schedule, 5, start=0.9, end=float(schedule.t_of_lam(1.5)))
    mean, variance = sampled(sampler, exact(schedule), schedule, MEAN, SPREAD, grid)
    right_mean, right_variance = marginal(schedule, MEAN, SPREAD, float(grid[-1]))
    torch.testing.assert_close(mean, right_mean, rtol=1e-9, atol=1e-12)
    return (variance / right_variance - 1).abs().flatten()


@each_schedule
@pytest.mark.parametrize("eta", [1.0, 0.5, 0.0])
def test_every_element_of_a_diagonal_gaussian_is_exact_in_five_steps(schedule, eta):
    assert float(error(LearnedVariance(eta=eta), schedule).max()) < 1e-9


@each_schedule
def test_the_scalar_of_analytic_dpm_is_rejected(schedule):
    """Right on average over the elements, wrong by more than a twentieth in the narrowest."""
    grid = uniform_lam(schedule, 5, start=0.9, end=float(schedule.t_of_lam(1.5)))
    rows = []
    for node in nodes(schedule, grid):
        found = exact(schedule)(torch.zeros(1, 4, 1, 1, dtype=torch.float64), node.clock)
        assert found.var is not None
        rows.append((node.lam, 0.0, float(found.var.mean())))
    scalar = AnalyticDPM(DenoisingStatistics(*zip(*rows, strict=True)), eta=0.0)
    errors = error(scalar, schedule)
    assert float(errors[0]) > 0.05
    assert float(errors.max()) > 1e6 * float(error(LearnedVariance(eta=0.0), schedule).max())


def test_the_variance_is_clipped_and_must_be_there():
    x, grid = torch.zeros(1, 4, 1, 1, dtype=torch.float64), torch.tensor([0.9, 0.5], dtype=torch.float64)

    def stepped(sampler: LearnedVariance, factor: float) -> Tensor:
        def louder(x_t: Tensor, t: Tensor) -> Prediction:
            found = exact(VPLinear())(x_t, t)
            assert found.var is not None
            return replace(found, var=factor * found.var)

        return last(sampler(louder, VPLinear(), x, grid, noise=brownian(1)))

    assert torch.equal(stepped(LearnedVariance(), 1e3), stepped(LearnedVariance(), 1e6))
    assert torch.equal(stepped(LearnedVariance(), -1.0), stepped(LearnedVariance(), 0.0))
    assert not torch.equal(stepped(LearnedVariance(ceiling=9.0), 1e6), stepped(LearnedVariance(), 1e6))

    def without(x_t: Tensor, t: Tensor) -> Prediction:
        return replace(exact(VPLinear())(x_t, t), var=None)

    with pytest.raises(ValueError, match="brings no variance: train a head"):
        last(LearnedVariance()(without, VPLinear(), x, grid, noise=brownian(1)))
    for wrong in ({"eta": -0.1}, {"ceiling": 0.0}):
        with pytest.raises(ValueError, match="of a learned variance must be"):
            LearnedVariance(**wrong)
