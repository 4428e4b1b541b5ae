"""Heun."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import Tensor

from samplers.adams import transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class Heun:
    """The deterministic sampler of Karras et al. 2022, 2206.00364, algorithm 1, on any schedule.

    Trapezoidal rule on d(x / alpha) = eps d(sigma / alpha). The corrector is left out, as in the paper, on a step that
    ends at sigma = 0, and on one that starts at alpha = 0, where x / alpha does not exist.
    """

    @property
    def order(self) -> int:
        return 2

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return (cls(),)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """Two a step, but one where the corrector is left out."""
        return sum(2 if _corrects(s, t) else 1 for s, t in pairwise(nodes(schedule, grid)))

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            x_t = transfer(x, here.x0, s, t)
            if _corrects(s, t):
                ratio = t.alpha / s.alpha
                x_t = ratio * x + (t.sigma - s.sigma * ratio) * (here.eps + denoise(x_t, t.clock).eps) / 2
            yield Step(s.t, t.t, x_t, here.x0)
            x = x_t


def _corrects(s: Node, t: Node) -> bool:
    return t.sigma > 0 and s.alpha > 0
