"""iPNDM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

from torch import Tensor

from samplers.adams import bashforth, polynomial_weights, shift, transfer
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class IPNDM:
    """Improved PNDM, Zhang and Chen 2022, 2204.13902, appendix H: Adams-Bashforth weights on as many noise predictions
    as there are, over the DDIM transfer, without a Runge-Kutta start.

    memory: noise predictions in use.
    step: "constant" has the weights of equal steps, and is of order 2; "variable" those of the times of the nodes,
    which makes it Adams-Bashforth in t for equal weights of the transfer (iPNDM-v), of order 2 as well, because the
    transfer, not t, is what the predictions are weighed over.
    published: keep the weights on a step to sigma = 0, as diffusers does; ours takes the denoised sample.
    """

    memory: Literal[1, 2, 3, 4] = 4
    step: Literal["constant", "variable"] = "constant"
    published: bool = False

    @property
    def order(self) -> int:
        return min(self.memory, 2)

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        constant = (cls(), cls(memory=3), cls(memory=2), cls(memory=1), cls(published=True))
        return *constant, *(cls(memory=memory, step="variable") for memory in (2, 3, 4))

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        times: list[float] = []
        history: list[Tensor] = []
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            if s.alpha == 0 or (t.sigma == 0 and not self.published):
                x = transfer(x, here.x0, s, t)
            else:
                history, times = [here.eps, *history][: self.memory], [s.t, *times][: self.memory]
                eps = bashforth(history) if self.step == "constant" else _variable(history, times, t.t)
                x = shift(x, eps, s, t)
            yield Step(s.t, t.t, x, here.x0)


def _variable(history: list[Tensor], times: list[float], end: float) -> Tensor:
    """The mean over the step of the polynomial in t through the history."""
    eps = history[0] * 0.0
    for weight, past in zip(polynomial_weights(times, times[0], end, rate=0.0), history, strict=True):
        eps = eps + weight / (end - times[0]) * past
    return eps
