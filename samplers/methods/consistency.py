"""Multistep consistency sampling."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from samplers.grids import nodes
from samplers.noise import Noise
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Jump, Step


@dataclass(frozen=True)
class Consistency:
    """Multistep consistency sampling, Song et al. 2023, 2303.01469, algorithm 1, on any schedule.

    Takes the x0 that it is given for the end of the flow's path, as a consistency model answers it
    (`consistency_function` makes such a denoiser of a `Jump`), and noises it anew to the next time. With an exact
    consistency function every state has the exact law, for any number of steps: no order of convergence, so 0. A plain
    denoiser, whose x0 is a mean, loses variance in every step and must not be sampled so.
    """

    @property
    def order(self) -> int:
        return 0

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return (cls(),)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None:
            raise ValueError("consistency sampling noises every sample anew: pass a noise")
        for s, t in pairwise(nodes(schedule, grid)):
            x0 = denoise(x, s.clock).x0
            x = t.alpha * x0
            if t.sigma > 0:
                x = x + t.sigma * noise(x, s.t, t.t)
            yield Step(s.t, t.t, x, x0)


def consistency_function(jump: Jump, schedule: NoiseSchedule) -> Denoiser:
    """The denoiser whose x0 is where `jump` lands at t = 0."""

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = schedule.coefficients(t, x_t)
        return Prediction(jump(x_t, t, torch.zeros_like(t)), "x0", x_t, alpha, sigma)

    return denoise
