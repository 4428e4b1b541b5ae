"""DDPM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal, Self

from torch import Tensor

from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class DDPM:
    """Ancestral sampling, Ho, Jain and Abbeel 2020, 2006.11239, algorithm 2 and section 3.2, on any schedule.

    variance: "small" is that of the posterior, exact when the data is one point; "large" (beta, where variance is
    preserved) is exact when the data is Gaussian of variance one. No noise on the last step.

    With beta = sigma_s^2 - (alpha_s sigma_t / alpha_t)^2, the mean is (beta alpha_t / sigma_s^2) x0 +
    (alpha_s / alpha_t) (sigma_t / sigma_s)^2 x. The familiar 1 - (alpha_s / alpha_t)^2 is that beta only where
    alpha^2 + sigma^2 = 1, and is zero where alpha = 1.
    """

    variance: Literal["small", "large"] = "small"

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(variance="large")

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None:
            raise ValueError("ddpm needs noise: pass one, or take ddim, which is deterministic")
        for s, t in pairwise(nodes(schedule, grid)):
            x0 = denoise(x, s.clock).x0
            beta = s.sigma**2 - (s.alpha * t.sigma / t.alpha) ** 2
            x = beta * t.alpha / s.sigma**2 * x0 + s.alpha / t.alpha * (t.sigma / s.sigma) ** 2 * x
            if t.sigma > 0:
                x = x + sqrt(self._spread(beta, s, t)) * noise(x, s.t, t.t)
            yield Step(s.t, t.t, x, x0)

    def _spread(self, beta: float, s: Node, t: Node) -> float:
        small = beta * (t.sigma / s.sigma) ** 2
        if self.variance == "small":
            return small
        # What is unknown of x0 given x_s, if x0 is standard normal, carried through the mean.
        return small + (beta * t.alpha / s.sigma) ** 2 / (s.alpha**2 + s.sigma**2)
