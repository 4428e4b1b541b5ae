"""PNDM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import Tensor

from samplers.adams import bashforth, node_at, shift, transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step

STARTING = 3


@dataclass(frozen=True)
class PNDM:
    """Pseudo numerical methods for diffusion models, Liu et al. 2022, 2202.09778, algorithm 2: three steps of pseudo
    Runge-Kutta (eq 13, four calls each), then Adams-Bashforth weights on four noise predictions over the DDIM transfer.

    published: keep the weights on a step to sigma = 0, as the authors and diffusers do; ours takes the denoised sample.

    The weights are those of equal steps, which nodes of a schedule are not in sigma / alpha: the order is 2.
    """

    published: bool = False

    @property
    def order(self) -> int:
        return 2

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(published=True)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """One a step, and three more for each of the first three whose ends are neither alpha = 0 nor sigma = 0."""
        pairs = list(pairwise(nodes(schedule, grid)))
        return len(pairs) + 3 * sum(_inner(s, t) for s, t in pairs[:STARTING])

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        history: list[Tensor] = []
        for i, (s, t) in enumerate(pairwise(nodes(schedule, grid))):
            here = denoise(x, s.clock)
            if s.alpha == 0 or (t.sigma == 0 and not self.published):
                x = transfer(x, here.x0, s, t)
            else:
                history = [here.eps, *history][:4]
                eps = _kutta(denoise, schedule, x, here, s, t) if i < STARTING and _inner(s, t) else bashforth(history)
                x = shift(x, eps, s, t)
            yield Step(s.t, t.t, x, here.x0)


def _inner(s: Node, t: Node) -> bool:
    return s.alpha > 0 and t.sigma > 0


def _kutta(denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, here: Prediction, s: Node, t: Node) -> Tensor:
    """The mean noise of a classical Runge-Kutta step whose every stage is a DDIM transfer from s."""
    middle = node_at(schedule, (s.t + t.t) / 2)
    first = here.eps
    second = denoise(shift(x, first, s, middle), middle.clock).eps
    third = denoise(shift(x, second, s, middle), middle.clock).eps
    fourth = denoise(shift(x, third, s, t), t.clock).eps
    return (first + 2 * second + 2 * third + fourth) / 6
