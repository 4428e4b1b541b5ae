"""What every sampler promises, for every file in the folder and every variant it lists."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2

import pytest
import torch
from torch import Tensor

import samplers
from samplers.grids import to_clean, uniform_lam, uniform_t
from samplers.noise import Noise, brownian
from samplers.prediction import Prediction
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from samplers.types import Denoiser, Sampler, Step, last
from tests.samplers.exact import SCHEDULES, flow, gaussian, mixture, starts

CASES = [(name, variant) for name in samplers.names() for variant in samplers.load(name).variants()]
IDS = [f"{name}-{variant}" for name, variant in CASES]
each_sampler = pytest.mark.parametrize("sampler", [variant for _, variant in CASES], ids=IDS)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def test_every_file_and_variant_is_collected():
    assert samplers.names() == ["ddim", "dpmpp", "heun"]
    assert len(CASES) == 3 + 3 + 1


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="ddim, dpmpp, heun"):
        samplers.load("dpm")


def counting(denoise: Denoiser) -> tuple[Denoiser, list[float]]:
    seen: list[float] = []

    def counted(x_t: Tensor, t: Tensor) -> Prediction:
        seen.append(float(t))
        return denoise(x_t, t)

    return counted, seen


def slope(sampler: Sampler, schedule: NoiseSchedule, errors: Callable[[Sampler, Tensor], float]) -> float:
    """Measured order between 80 and 320 steps even in log-SNR."""
    start, end = 0.95, float(schedule.t_of_lam(2.5))
    coarse, fine = (errors(sampler, uniform_lam(schedule, n, start=start, end=end)) for n in (80, 320))
    return log2(coarse / fine) / 2


def path_error(schedule: NoiseSchedule) -> Callable[[Sampler, Tensor], float]:
    """Distance to the exact flow map, for a deterministic sampler."""

    def measure(sampler: Sampler, grid: Tensor) -> float:
        s, t = float(grid[0]), float(grid[-1])
        x = starts(schedule, s)
        found = last(sampler(mixture(schedule), schedule, x, grid))
        return float((found - flow(schedule, x, s, t)).abs().max())

    return measure


def variance_error(schedule: NoiseSchedule) -> Callable[[Sampler, Tensor], float]:
    """Error of the sampled variance on a Gaussian, without sampling: every step is affine in the state and the noise,
    so its two coefficients are read off by running it on zeros and ones."""

    def measure(sampler: Sampler, grid: Tensor) -> float:
        law = gaussian(schedule, 0.0, 0.25)
        at = float(grid[0])
        variance = float(schedule.alpha(at) ** 2 * 0.25 + schedule.sigma(at) ** 2)
        for pair in grid.unfold(0, 2, 1):
            zero, one = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.ones(1, 1, 1, 1, dtype=torch.float64)
            state = last(sampler(law, schedule, one, pair, noise=lambda like, s, t: torch.zeros_like(like)))
            fresh = last(sampler(law, schedule, zero, pair, noise=lambda like, s, t: torch.ones_like(like)))
            variance = float(state**2) * variance + float(fresh**2)
        end = float(grid[-1])
        return abs(variance - float(schedule.alpha(end) ** 2 * 0.25 + schedule.sigma(end) ** 2))

    return measure


def measured(sampler: Sampler, schedule: NoiseSchedule) -> float:
    return slope(sampler, schedule, (variance_error if sampler.stochastic else path_error)(schedule))


@each_sampler
@pytest.mark.parametrize("schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_order_is_as_declared(sampler: Sampler, schedule: NoiseSchedule):
    assert measured(sampler, schedule) >= sampler.order - 0.25


@dataclass(frozen=True)
class Overrated:
    """Another sampler with its order declared one too high."""

    inner: Sampler

    @property
    def order(self) -> int:
        return self.inner.order + 1

    @property
    def stochastic(self) -> bool:
        return self.inner.stochastic

    def __call__(self, denoise, schedule, x, grid, *, noise: Noise | None = None) -> Iterator[Step]:
        return self.inner(denoise, schedule, x, grid, noise=noise)


@each_sampler
def test_a_method_of_the_next_lower_order_would_be_rejected(sampler: Sampler):
    overrated = Overrated(sampler)
    assert measured(overrated, VPLinear()) < overrated.order - 0.25


@each_sampler
@each_schedule
def test_whole_way_to_the_clean_end(sampler: Sampler, schedule: NoiseSchedule):
    """From t = 1, where alpha may be 0, to t = 0: finite, ends pinned, and the last state is a denoised sample."""
    x = torch.linspace(-1, 1, 5, dtype=torch.float64).view(-1, 1, 1, 1) * schedule.sigma(1.0)
    law = mixture(schedule, "v")
    steps = list(sampler(law, schedule, x, uniform_t(7), noise=brownian(3)))
    assert [step.s for step in steps] == pytest.approx([1 - i / 7 for i in range(7)], abs=1e-15)
    assert steps[0].s == 1.0
    assert steps[-1].t == 0.0
    assert all(bool(step.x.isfinite().all()) for step in steps)
    torch.testing.assert_close(steps[-1].x, steps[-1].x0, rtol=1e-12, atol=1e-12)


@each_sampler
@each_schedule
def test_calls_are_as_documented(sampler: Sampler, schedule: NoiseSchedule):
    inner = uniform_lam(schedule, 6, start=0.9, end=0.1)
    for grid in (uniform_t(6), inner, to_clean(inner)):
        counted, seen = counting(mixture(schedule, "v"))
        last(sampler(counted, schedule, torch.zeros(2, 1, 1, 1, dtype=torch.float64), grid, noise=brownian(3)))
        assert len(seen) == sampler.nfe(schedule, grid)


@each_sampler
def test_same_input_same_bits(sampler: Sampler):
    x, grid = starts(VPLinear(), 1.0).float(), uniform_t(5)
    runs = [last(sampler(mixture(VPLinear()), VPLinear(), x, grid, noise=brownian(3))) for _ in range(2)]
    assert runs[0].dtype == torch.float32
    assert torch.equal(*runs)


@each_sampler
def test_stochastic_is_as_declared(sampler: Sampler):
    x, grid = starts(VPLinear(), 1.0), uniform_t(5)
    law = mixture(VPLinear())
    if sampler.stochastic:
        with pytest.raises(ValueError, match="noise"):
            last(sampler(law, VPLinear(), x, grid))
        one, other = (last(sampler(law, VPLinear(), x, grid, noise=brownian(seed))) for seed in (1, 2))
        assert not torch.equal(one, other)
    else:
        noisy = last(sampler(law, VPLinear(), x, grid, noise=brownian(1)))
        assert torch.equal(noisy, last(sampler(law, VPLinear(), x, grid)))


@each_sampler
def test_gradients_flow_and_grids_are_checked(sampler: Sampler):
    x = starts(VPLinear(), 1.0).requires_grad_()
    last(sampler(mixture(VPLinear()), VPLinear(), x, uniform_t(3), noise=brownian(0))).sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    for wrong in (torch.tensor([0.1, 0.5]), torch.tensor([1.5, 0.5]), torch.tensor([0.5]), torch.tensor([0.5, 0.5])):
        with pytest.raises(ValueError, match="falling"):
            last(sampler(mixture(VPLinear()), VPLinear(), x, wrong, noise=brownian(0)))
