"""SDE-DPM-Solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal, Self

from torch import Tensor

from samplers.adams import Of, Seen, seen
from samplers.dpm import Form, tapered, update
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class SDEDPMSolverPP:
    """SDE-DPM-Solver++ (1, 2M, 3M), Lu et al. 2022, 2211.01095, appendix B, eq 18 and 19: the reverse SDE with its
    linear part exact.

    memory: predictions in use; with 1 and eta = 1 it is ancestral sampling. form, published, taper: see `dpmpp`.
    of: "x0" is SDE-DPM-Solver++, "eps" SDE-DPM-Solver.
    eta: share of the noise of the reverse SDE; 0 is the probability flow.
    """

    memory: Literal[1, 2, 3] = 2
    form: Form = "midpoint"
    of: Of = "x0"
    eta: float = 1.0
    published: bool = False
    taper: int = 0

    def __post_init__(self) -> None:
        if not self.eta >= 0:
            raise ValueError(f"dpmpp_sde eta must not be negative, got {self.eta}: 0 is deterministic, 1 the full SDE")

    @property
    def order(self) -> int:
        """With noise, past samples lie off the path of the mean: the law is of order 2 at most, measured."""
        if self.published and self.stochastic and self.of == "x0" and self.memory == 3:
            return 1
        return min(self.memory, 2) if self.published or self.stochastic else self.memory

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        whole = (cls(memory=1), cls(), cls(form="exact"), cls(memory=3), cls(memory=3, published=True))
        noise = (cls(memory=1, of="eps"), cls(of="eps"))
        return *whole, *noise, cls(eta=0.5), cls(eta=0.0), cls(memory=3, eta=0.0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None and self.stochastic:
            raise ValueError(f"dpmpp_sde with eta={self.eta} needs noise: pass one, or set eta to 0")
        path, history = nodes(schedule, grid), list[Seen]()
        for left, (s, t) in zip(range(len(path) - 1, 0, -1), pairwise(path), strict=True):
            here = seen(denoise(x, s.clock), s, self.of)
            history = [here, *history][: self.memory]
            used = history[: tapered(self.memory, left, self.taper)]
            x = update(x, used, t, of=self.of, form=self.form, eta=self.eta, published=self.published)
            if noise is not None and self.stochastic and t.sigma > 0:
                x = x + self._spread(s, t) * noise(x, s.t, t.t)
            yield Step(s.t, t.t, x, here.x0)

    def _spread(self, s: Node, t: Node) -> float:
        ratio = s.alpha * t.sigma / (t.alpha * s.sigma)
        if self.of == "x0" or ratio == 0:  # from alpha = 0 there is only the first form
            return t.sigma * sqrt(1 - ratio ** (2 * self.eta))
        return t.sigma * sqrt(self.eta * (ratio**-2 - 1))
