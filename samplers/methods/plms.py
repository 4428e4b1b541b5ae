"""PLMS."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import Tensor

from samplers.adams import bashforth, shift, transfer
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class PLMS:
    """Pseudo linear multistep, Liu et al. 2022, 2202.09778, eq 12, started as in latent diffusion (Rombach et al. 2021,
    2112.10752): Adams-Bashforth weights up to four noise predictions over the DDIM transfer; the first step is Heun's.

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
        """One a step, and one more for the first unless it starts at alpha = 0 or ends at sigma = 0."""
        s, t, *_ = nodes(schedule, grid)
        return len(grid) - 1 + (s.alpha > 0 and t.sigma > 0)

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        history: list[Tensor] = []
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            if s.alpha == 0 or (t.sigma == 0 and not self.published):
                x = transfer(x, here.x0, s, t)
            else:
                history = [here.eps, *history][:4]
                eps = bashforth(history)
                if len(history) == 1 and s.t == float(grid[0]) and t.sigma > 0:
                    eps = (eps + denoise(shift(x, eps, s, t), t.clock).eps) / 2
                x = shift(x, eps, s, t)
            yield Step(s.t, t.t, x, here.x0)
