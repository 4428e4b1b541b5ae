"""DDIM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Self

from torch import Tensor

from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class DDIM:
    """Denoising diffusion implicit models, Song, Meng and Ermon 2020, 2010.02502, eq 12 and 16, on any schedule.

    eta: 0 is deterministic, 1 is ancestral sampling with the small variance (DDPM). The variance drawn anew is
    eta^2 sigma_t^2 (1 - (alpha_s sigma_t / (alpha_t sigma_s))^2), which does not assume alpha^2 + sigma^2 = 1.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"DDIM eta must be between 0 (deterministic) and 1 (ancestral), got {self.eta}")

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(eta=0.5), cls(eta=1.0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None and self.stochastic:
            raise ValueError(f"DDIM with eta={self.eta} needs noise: pass one, or set eta to 0")
        for s, t in pairwise(nodes(schedule, grid)):
            x0 = denoise(x, s.clock).x0
            # The share of the variance at t that is drawn anew; zero on the last step.
            share = self.eta**2 * (1 - (s.alpha * t.sigma / (t.alpha * s.sigma)) ** 2) if t.sigma > 0 else 0.0
            kept = t.sigma / s.sigma * sqrt(1 - share)
            x = kept * x + (t.alpha - s.alpha * kept) * x0
            if share > 0 and noise is not None:
                x = x + t.sigma * sqrt(share) * noise(x, s.t, t.t)
            yield Step(s.t, t.t, x, x0)
