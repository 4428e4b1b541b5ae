"""EDM's sampler without the corrector."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf
from typing import Self

from torch import Tensor

from samplers.adams import transfer
from samplers.grids import nodes
from samplers.methods.edm import added, raised
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class EDMEuler:
    """Euler with churn, Karras et al. 2022, 2206.00364, algorithm 2 without lines 7 to 9, on any schedule.

    churn, churn_from, churn_to, inflation: see `edm`. With churn = 0 it is DDIM.
    """

    churn: float = 0.0
    churn_from: float = 0.0
    churn_to: float = inf
    inflation: float = 1.0

    def __post_init__(self) -> None:
        if not self.churn >= 0:
            raise ValueError(f"churn must not be negative, got {self.churn}: 0 turns it off")

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return self.churn > 0

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(churn=10.0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None and self.stochastic:
            raise ValueError(f"edm_euler with churn={self.churn} needs noise: pass one, or set churn to 0")
        path = nodes(schedule, grid)
        for s, t in pairwise(path):
            hat = s
            if noise is not None and self.stochastic and self.churn_from <= exp(-s.lam) <= self.churn_to:
                hat = raised(schedule, s, self.churn / (len(path) - 1))
                x = hat.alpha / s.alpha * x + added(s, hat, self.inflation) * noise(x, s.t, t.t) if hat != s else x
            x0 = denoise(x, hat.clock).x0
            x = transfer(x, x0, hat, t)
            yield Step(s.t, t.t, x, x0)
