"""The schedule of a given length with the best likelihood, by dynamic programming (Watson et al. 2021, 2106.03802).

The negative ELBO of ancestral sampling with the small variance is a sum over steps, so the best path through candidate
times is a shortest path. In nats an element, with r_j the mean square error of x0 seen at time j:

    from j to the cleaner i   (snr_i - snr_j) r_j / 2, the divergence of the two transitions
    from j to clean data      log(2 pi e (r_j + bin^2 / 12)) / 2, a Gaussian around x0 of the variance of its error

The paper counts the last term with its own discretized decoder. What reaches pure noise is the same for all paths.
It minimizes the ELBO, not a perceptual distance: few steps of it need not look better.
"""

from collections.abc import Sequence
from math import e, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samplers.grids import uniform_lam
from samplers.schedule import NoiseSchedule
from samplers.statistics import DenoisingStatistics

CANDIDATES = 200
BIN = 2 / 255
"""Width of the steps in which pictures of 8 bits fill [-1, 1]."""


def dynamic_programming(
    schedule: NoiseSchedule,
    statistics: DenoisingStatistics,
    steps: int,
    *,
    start: float = 1.0,
    end: float = 1e-3,
    candidates: int = CANDIDATES,
    bin: float = BIN,
) -> Tensor:
    """The grid of `steps` steps from `start` to 0 with the least negative ELBO; inner times lie on `candidates` nodes
    even in log-SNR from `start` to `end`. ValueError where there are too few of them, or as in `uniform_lam`."""
    if not 1 <= steps <= candidates:
        raise ValueError(f"cannot take {steps} steps through {candidates} candidates: choose 1 to {candidates}")
    times = uniform_lam(schedule, candidates - 1, start=start, end=end) if candidates > 1 else torch.tensor([start])
    cleanest_first = times.double().flip(0)
    costs, last = step_costs(schedule, statistics, cleanest_first, bin)
    path = shortest_path(costs, last, steps)
    return torch.cat([cleanest_first[list(path)], torch.zeros(1, dtype=torch.float64)])


def step_costs(
    schedule: NoiseSchedule, statistics: DenoisingStatistics, times: Tensor, bin: float = BIN
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of steps between rising `times` (M,), [cleaner, noisier] (M, M), infinite where they do not get cleaner; and of
    the last step from each, (M,). In nats an element."""
    snr = schedule.snr(times).numpy()
    error = np.array([statistics.error_at(float(lam)) for lam in schedule.lam(times)])
    between = 0.5 * (snr[:, None] - snr[None, :]) * error[None, :]
    ahead = np.arange(len(snr))[:, None] < np.arange(len(snr))[None, :]
    return np.where(ahead, between, np.inf), 0.5 * np.log(2 * pi * e * (error + bin**2 / 12))


def shortest_path(costs: NDArray[np.float64], last: NDArray[np.float64], steps: int) -> Sequence[int]:
    """The `steps` nodes, from the noisiest one down, at which the cheapest way of as many steps to clean data looks.

    C[1, j] = last[j], C[k, j] = min over i of C[k - 1, i] + costs[i, j].
    """
    best, came_from = last, list[NDArray[np.intp]]()
    for _ in range(steps - 1):
        through = best[:, None] + costs
        came_from.append(through.argmin(0))
        best = through.min(0)
    path = [len(last) - 1]
    for choices in reversed(came_from):
        path.append(int(choices[path[-1]]))
    return path
