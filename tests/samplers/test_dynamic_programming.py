from itertools import combinations, pairwise
from math import e, log, pi

import numpy as np
import pytest
import torch

from samplers.dynamic_programming import BIN, dynamic_programming, shortest_path, step_costs
from samplers.grids import nodes, to_clean, uniform_lam, uniform_t
from samplers.schedule import EDM, RectifiedFlow, VPCosine, VPLinear
from samplers.statistics import DenoisingStatistics

KNOWN = DenoisingStatistics.of_gaussian(0.25)
MEASURED = DenoisingStatistics((-6.0, -2.0, 0.0, 1.0, 5.0), (1.0,) * 5, (0.3, 0.25, 0.08, 0.02, 1e-4))
each_schedule = pytest.mark.parametrize("schedule", [VPLinear(), EDM(), VPCosine()], ids=lambda s: type(s).__name__)


def cheapest(costs: np.ndarray, last: np.ndarray, steps: int) -> tuple[float, list[int]]:
    """By trying every choice of inner nodes."""
    found = []
    for inner in combinations(range(len(last) - 1), steps - 1):
        path = [len(last) - 1, *reversed(inner)]
        found.append((sum(costs[i, j] for j, i in pairwise(path)) + last[path[-1]], path))
    return min(found)


@each_schedule
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_equals_brute_force(schedule, steps):
    times = uniform_lam(schedule, 8, start=0.99, end=1e-2).flip(0)
    costs, last = step_costs(schedule, MEASURED, times)
    assert list(shortest_path(costs, last, steps)) == cheapest(costs, last, steps)[1]


def test_brute_force_on_costs_without_any_order():
    """Random costs, where no greedy way is right."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        ahead = np.arange(7)[:, None] < np.arange(7)[None, :]
        costs, last = np.where(ahead, generator.random((7, 7)), np.inf), generator.random(7)
        for steps in range(1, 8):
            assert list(shortest_path(costs, last, steps)) == cheapest(costs, last, steps)[1]


@each_schedule
def test_costs_are_divergences_of_gaussians(schedule):
    """A step's cost against the textbook's KL of two Gaussians of equal variance, from the posterior of DDPM."""
    grid = torch.tensor([0.7, 0.4], dtype=torch.float64)
    s, t = nodes(schedule, grid)
    costs, last = step_costs(schedule, KNOWN, grid.flip(0))
    beta = s.sigma**2 - (s.alpha * t.sigma / t.alpha) ** 2
    moved, drawn = beta * t.alpha / s.sigma**2, beta * t.sigma**2 / s.sigma**2
    assert costs[0, 1] == pytest.approx(moved**2 * KNOWN.error_at(s.lam) / (2 * drawn), rel=1e-9)
    assert last[1] == pytest.approx(0.5 * log(2 * pi * e * (KNOWN.error_at(s.lam) + BIN**2 / 12)), rel=1e-12)
    assert np.isinf([costs[0, 0], costs[1, 0], costs[1, 1]]).all()


def of_mixture() -> tuple[DenoisingStatistics, float]:
    """Statistics of the exact denoiser of two narrow Gaussians, and the entropy of their law, by quadrature."""
    weights, means, std = np.array([0.4, 0.6]), np.array([-1.0, 0.8]), 0.2
    levels, errors, entropy = np.arange(-9, 6, 0.02), [], 0.0
    for lam in [*levels, np.inf]:
        spread = (std**2 + np.exp(-2 * lam)) ** 0.5
        x = np.linspace(-1 - 12 * spread, 0.8 + 12 * spread, 4001)
        parts = weights * np.exp(-0.5 * ((x[:, None] - means) / spread) ** 2) / (spread * (2 * pi) ** 0.5)
        density = parts.sum(1)
        if np.isinf(lam):
            entropy = -float(np.trapezoid(density * np.log(np.maximum(density, 1e-300)), x))
            break
        mean = (parts / density[:, None] * (means + (std / spread) ** 2 * (x[:, None] - means))).sum(1)
        errors.append(float(weights @ (means**2 + std**2) - np.trapezoid(density * mean**2, x)))
    return DenoisingStatistics(tuple(levels.tolist()), (1.0,) * len(levels), tuple(errors)), entropy


@each_schedule
def test_it_beats_the_usual_grids_and_tends_to_the_entropy_of_the_data(schedule):
    """The ELBO is a bound: no schedule costs less than the entropy of the data, and many steps reach it."""
    known, entropy = of_mixture()
    start, end = float(schedule.t_of_lam(-4.0)), float(schedule.t_of_lam(3.0))

    def excess(grid: torch.Tensor) -> float:
        costs, last = step_costs(schedule, known, grid[:-1].flip(0), bin=0.0)
        prior = 0.5 * float(schedule.snr(grid[0])) * known.error_at(-9.0)  # to first order in the small SNR
        return prior + float(sum(costs[k, k + 1] for k in range(len(last) - 1)) + last[0]) - entropy

    found = {}
    for n in (1, 2, 4, 8, 64):
        grid = dynamic_programming(schedule, known, n, start=start, end=end, bin=0.0)
        assert len(nodes(schedule, grid)) == n + 1
        assert (float(grid[0]), float(grid[-1])) == (start, 0.0)
        found[n] = excess(grid)
        if n > 1:
            assert found[n] < excess(uniform_t(n, start=start)) + 1e-4
            assert found[n] < excess(to_clean(uniform_lam(schedule, n - 1, start=start, end=end))) + 1e-4
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 0 < found[64] < 0.05 * found[2] < 0.05 * found[1]


def test_one_step_and_all_candidates():
    assert dynamic_programming(EDM(), KNOWN, 1, candidates=1).tolist() == [1.0, 0.0]
    every = dynamic_programming(EDM(), KNOWN, 6, candidates=6)
    torch.testing.assert_close(every[:-1], uniform_lam(EDM(), 5))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="cannot take 201 steps through 200 candidates"):
        dynamic_programming(EDM(), KNOWN, 201)
    with pytest.raises(ValueError, match="start below 1"):
        dynamic_programming(RectifiedFlow(), KNOWN, 5)
