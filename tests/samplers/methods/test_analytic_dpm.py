import pytest
import torch

from samplers.grids import nodes, uniform_lam
from samplers.methods.analytic_dpm import AnalyticDPM
from samplers.methods.ddim import DDIM
from samplers.noise import brownian
from samplers.schedule import EDM, NoiseSchedule, VPLinear
from samplers.statistics import DenoisingStatistics
from samplers.types import last
from tests.samplers.affine import marginal, sampled
from tests.samplers.exact import SCHEDULES, gaussian, mixture

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
MEAN, SPREAD = 0.3, 0.25


def five_steps(schedule: NoiseSchedule) -> torch.Tensor:
    return uniform_lam(schedule, 5, start=0.9, end=float(schedule.t_of_lam(1.5)))


def exact_statistics(schedule: NoiseSchedule, grid: torch.Tensor, variance: float = SPREAD) -> DenoisingStatistics:
    return DenoisingStatistics.of_gaussian(variance, [node.lam for node in nodes(schedule, grid)])


def law_of(sampler, schedule: NoiseSchedule, grid: torch.Tensor):
    mean, variance = (torch.full((1, 1, 1), v, dtype=torch.float64) for v in (MEAN, SPREAD))
    found = sampled(sampler, gaussian(schedule, MEAN, SPREAD), schedule, mean, variance, grid)
    return found, marginal(schedule, mean, variance, float(grid[-1]))


@each_schedule
@pytest.mark.parametrize("eta", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("published", [False, True])
def test_five_steps_have_the_exact_marginal_of_an_isotropic_gaussian(schedule, eta, published):
    grid = five_steps(schedule)
    sampler = AnalyticDPM(exact_statistics(schedule, grid), eta=eta, published=published)
    for found, exact in zip(*law_of(sampler, schedule, grid), strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-12)


@each_schedule
@pytest.mark.parametrize("eta", [1.0, 0.0])
def test_ddpm_and_ddim_themselves_are_rejected(schedule, eta):
    """Without the correction, five steps lose at least a tenth of the variance."""
    (_, found), (_, exact) = law_of(DDIM(eta=eta), schedule, five_steps(schedule))
    assert float(found) < 0.9 * float(exact)


def test_the_form_that_holds_only_where_variance_is_preserved_is_rejected():
    """1 - gamma without (sigma / alpha)^2 in front."""
    schedule, grid = EDM(), five_steps(EDM())
    right = exact_statistics(schedule, grid)
    wrong = DenoisingStatistics(right.lam, right.gamma, tuple(1 - gamma for gamma in right.gamma))
    (_, found), (_, exact) = law_of(AnalyticDPM(wrong), schedule, grid)
    assert abs(float(found) / float(exact) - 1) > 0.05


@pytest.mark.parametrize("eta", [1.0, 0.5, 0.0])
@each_schedule
def test_a_teacher_that_is_certain_makes_it_ddim(schedule, eta):
    certain = DenoisingStatistics((0.0,), (1.0,), (0.0,))
    x = torch.linspace(-1, 1, 5, dtype=torch.float64).view(-1, 1, 1, 1)
    grid = uniform_lam(schedule, 4, start=0.9, end=0.1)
    found = last(AnalyticDPM(certain, eta=eta)(mixture(schedule), schedule, x, grid, noise=brownian(1)))
    theirs = last(DDIM(eta=eta)(mixture(schedule), schedule, x, grid, noise=brownian(1)))
    torch.testing.assert_close(found, theirs, rtol=1e-10, atol=1e-12)


def test_the_variance_of_x0_is_clipped():
    wild = DenoisingStatistics((0.0,), (0.5,), (40.0,))
    x, grid = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.tensor([0.9, 0.5], dtype=torch.float64)

    def stepped(sampler: AnalyticDPM) -> float:
        return float(last(sampler(mixture(VPLinear()), VPLinear(), x, grid, noise=brownian(1))))

    at_most = DenoisingStatistics((0.0,), (0.5,), (1.0,))
    assert stepped(AnalyticDPM(wild)) == pytest.approx(stepped(AnalyticDPM(at_most)), rel=1e-12)
    assert stepped(AnalyticDPM(wild, ceiling=9.0)) != pytest.approx(stepped(AnalyticDPM(wild)), rel=1e-3)
    above = DenoisingStatistics((0.0,), (1.5,), (0.3,))  # a teacher whose eps is too large: no negative variance
    certain = DenoisingStatistics((0.0,), (1.0,), (0.0,))
    assert stepped(AnalyticDPM(above, published=True)) == pytest.approx(stepped(AnalyticDPM(certain)), rel=1e-12)


def test_mistakes_are_named():
    x, grid = torch.zeros(1, 1, 1, 1), torch.tensor([0.9, 0.5])
    with pytest.raises(ValueError, match=r"samplers\.statistics\.estimate"):
        last(AnalyticDPM()(mixture(VPLinear()), VPLinear(), x, grid, noise=brownian(1)))
    with pytest.raises(ValueError, match=r"between 0 \(DDIM\) and 1 \(DDPM\), got 2"):
        AnalyticDPM(eta=2)
    with pytest.raises(ValueError, match="ceiling must be positive, got 0"):
        AnalyticDPM(ceiling=0)
