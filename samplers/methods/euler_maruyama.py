"""Euler-Maruyama on the reverse SDE."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Self

from torch import Tensor

from samplers.adams import rates, transfer
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class EulerMaruyama:
    """The reverse SDE in t, Song et al. 2021, 2011.13456, eq 6 and appendix D: dx = (f x - g^2 score) dt + g dw, with
    f = alpha' / alpha and g^2 = 2 sigma (sigma' - f sigma).

    Drift is written as alpha' x0 + sigma' eps + (sigma' - f sigma) eps, which is the same. A step to sigma = 0 is
    Tweedie's, the denoised sample without noise; from alpha = 0, where f is infinite, noise is drawn anew.
    """

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return (cls(),)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None:
            raise ValueError("euler_maruyama needs noise: pass one, or take pf_ode, which is deterministic")
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            if t.sigma == 0:
                x = transfer(x, here.x0, s, t)
            elif s.alpha == 0:
                x = transfer(x, here.x0, s, t, eta=1.0) + t.sigma * noise(x, s.t, t.t)
            else:
                alpha, sigma = (float(rate) for rate in rates(schedule, s.t))
                half = sigma - s.sigma * alpha / s.alpha  # g^2 / (2 sigma)
                drift = alpha * here.x0 + (sigma + half) * here.eps
                x = x - (s.t - t.t) * drift + sqrt(2 * s.sigma * half * (s.t - t.t)) * noise(x, s.t, t.t)
            yield Step(s.t, t.t, x, here.x0)
