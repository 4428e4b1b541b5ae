"""EDM's stochastic sampler."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, isfinite, log1p, sqrt
from typing import Self

from torch import Tensor

from samplers.adams import node_at, shift, transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class EDM:
    """Heun with churn, Karras et al. 2022, 2206.00364, algorithm 2, on any schedule: noise levels are sigma / alpha.

    churn: noise added over all steps, S_churn; 0 is `heun`. churn_from, churn_to: the noise levels between which it is
    added. inflation: the standard deviation of the noise, S_noise; 1 keeps the law.

    The corrector is left out on a step that ends at sigma = 0, and on one that starts at alpha = 0.
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
        return 2

    @property
    def stochastic(self) -> bool:
        return self.churn > 0

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(churn=10.0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """Two a step, but one where the corrector is left out."""
        return sum(2 if s.alpha > 0 and t.sigma > 0 else 1 for s, t in pairwise(nodes(schedule, grid)))

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None and self.stochastic:
            raise ValueError(f"edm with churn={self.churn} needs noise: pass one, or set churn to 0")
        path = nodes(schedule, grid)
        for s, t in pairwise(path):
            hat = s
            if noise is not None and self.stochastic and self.churn_from <= exp(-s.lam) <= self.churn_to:
                hat = raised(schedule, s, self.churn / (len(path) - 1))
                x = hat.alpha / s.alpha * x + added(s, hat, self.inflation) * noise(x, s.t, t.t) if hat != s else x
            here = denoise(x, hat.clock)
            x_t = transfer(x, here.x0, hat, t)
            if hat.alpha > 0 and t.sigma > 0:
                x_t = shift(x, (here.eps + denoise(x_t, t.clock).eps) / 2, hat, t)
            x = x_t
            yield Step(s.t, t.t, x, here.x0)


def raised(schedule: NoiseSchedule, s: Node, share: float) -> Node:
    """The node whose noise level is 1 + share (at most sqrt 2) times that of `s`; `s` itself where the schedule does
    not reach so far."""
    lam = s.lam - log1p(min(share, sqrt(2) - 1))
    if not (isfinite(lam) and lam >= float(schedule.lam(1.0))):
        return s
    return node_at(schedule, float(schedule.t_of_lam(lam)))


def added(s: Node, hat: Node, inflation: float) -> float:
    """Standard deviation of the noise that takes x from `s` to `hat`, on top of the scaling by alpha."""
    return inflation * sqrt(hat.sigma**2 - (hat.alpha * s.sigma / s.alpha) ** 2)
