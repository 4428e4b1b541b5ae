"""Analytic-DPM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf
from typing import Self

from torch import Tensor

from samplers.ancestral import ancestral
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.statistics import DenoisingStatistics
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class AnalyticDPM:
    """Analytic-DPM, Bao et al. 2022, 2201.06503, eq 8 and 9: the optimal scalar variance, on any schedule.

    statistics: of the teacher, measured once (`samplers.statistics.estimate`).
    eta: 1 is the form for DDPM, 0 the one for DDIM.
    ceiling: the variance of x0 is at most this; (range / 2)^2 for bounded data, so 1 for pictures in [-1, 1].
    published: take that variance from the mean square of eps, (sigma / alpha)^2 (1 - gamma), as in the paper. The
        measured error of x0 is the same for an exact teacher, and right and precise also for one that is not.

    On isotropic Gaussian data the marginal is exact for any number of steps, as long as they end above sigma = 0; the
    last step to sigma = 0 draws nothing, as in the paper.
    """

    statistics: DenoisingStatistics | None = None
    eta: float = 1.0
    ceiling: float = 1.0
    published: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"Analytic-DPM eta must be between 0 (DDIM) and 1 (DDPM), got {self.eta}")
        if not self.ceiling > 0:
            raise ValueError(f"Analytic-DPM ceiling must be positive, got {self.ceiling}")

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        """With the statistics of unit Gaussian data, since a variant knows no teacher."""
        unit = DenoisingStatistics.of_gaussian(1.0)
        return cls(unit), cls(unit, eta=0.0), cls(unit, published=True)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if self.statistics is None:
            raise ValueError("Analytic-DPM needs a teacher's statistics: measure them by samplers.statistics.estimate")
        if noise is None:
            raise ValueError("Analytic-DPM draws in every step: pass a noise")
        for s, t in pairwise(nodes(schedule, grid)):
            x0 = denoise(x, s.clock).x0
            x = ancestral(x, x0, s, t, self.eta, self._variance(self.statistics, s), noise)
            yield Step(s.t, t.t, x, x0)

    def _variance(self, statistics: DenoisingStatistics, s: Node) -> float:
        if self.published and s.lam > -inf:
            found = exp(-2 * s.lam) * (1 - statistics.gamma_at(s.lam))
        else:
            found = statistics.error_at(s.lam)
        return min(max(found, 0.0), self.ceiling)
