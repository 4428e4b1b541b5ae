"""Laws of sampled states without sampling: on Gaussian data every step is affine in the state and in the noise."""

from itertools import pairwise

import torch
from torch import Tensor

from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Sampler, last


def marginal(schedule: NoiseSchedule, mean: Tensor, variance: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Mean and variance at time t of data N(mean, variance)."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return alpha * mean, alpha**2 * variance + sigma**2


def sampled(
    sampler: Sampler, law: Denoiser, schedule: NoiseSchedule, mean: Tensor, variance: Tensor, grid: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance, element by element, of what `sampler` makes along `grid` from the exact law at its start.

    Read off by running every step on the mean, beside it, and with noise of one. Elements must not mix.
    """
    mean, variance = marginal(schedule, mean, variance, float(grid[0]))
    for step in pairwise(grid.tolist()):
        pair = torch.tensor(step, dtype=torch.float64)

        def stepped(x: Tensor, z: float, pair: Tensor = pair) -> Tensor:
            return last(sampler(law, schedule, x[None], pair, noise=lambda like, s, t: torch.full_like(like, z)))[0]

        center = stepped(mean, 0.0)
        state, fresh = stepped(mean + 1, 0.0) - center, stepped(mean, 1.0) - center
        mean, variance = center, state**2 * variance + fresh**2
    return mean, variance
