"""DPM-Solver++, multistep."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Literal, Self

from torch import Tensor

from samplers.adams import adams, transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class DPMSolverPP:
    """DPM-Solver++(2M), Lu et al. 2022, 2211.01095, algorithm 2.

    memory: denoised samples in use; 2 is the method, 1 is DDIM.
    form: how two of them enter: "midpoint" as in the algorithm (the line through them, at the middle of the step), or
    "exact" (the line integrated exactly; "heun" in diffusers). Both are of order 2.
    """

    memory: Literal[1, 2] = 2
    form: Literal["midpoint", "exact"] = "midpoint"

    @property
    def order(self) -> int:
        return self.memory

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(form="exact"), cls(memory=1)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        history: list[tuple[Node, Tensor]] = []
        for s, t in pairwise(nodes(schedule, grid)):
            x0 = denoise(x, s.clock).x0
            history = [(s, x0), *history][: self.memory]
            x = adams(x, history, t) if self.form == "exact" else _midpoint(x, history, t)
            yield Step(s.t, t.t, x, x0)


def _midpoint(x: Tensor, history: list[tuple[Node, Tensor]], t: Node) -> Tensor:
    s, x0 = history[0]
    if len(history) == 2:
        before, past = history[1]
        if isfinite(t.lam) and isfinite(before.lam):
            x0 = x0 + (t.lam - s.lam) / (2 * (s.lam - before.lam)) * (x0 - past)
    return transfer(x, x0, s, t)
