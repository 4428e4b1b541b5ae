"""Noise levels to train at, for whatever learns about every level of any process alike."""

import torch
from torch import Tensor

from samplers.grids import trained_range
from samplers.schedule import NoiseSchedule


def even_times(schedule: NoiseSchedule, count: int, generator: torch.Generator) -> Tensor:
    """Times (count,) in float64, one in each of `count` equal intervals of log-SNR, in random order, over the range in
    which networks are trained."""
    first, final = (float(schedule.lam(t)) for t in trained_range(schedule))
    place = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator, dtype=torch.float64)
    return schedule.t_of_lam(first + (final - first) * place / count)
