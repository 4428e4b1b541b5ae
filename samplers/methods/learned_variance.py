"""Learned diagonal covariances."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import Tensor

from samplers.ancestral import ancestral
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class LearnedVariance:
    """SN-DPM and NPR-DPM, Bao et al. 2022, 2206.07309, theorems 1 and 2: a variance for every element of x0.

    The denoiser brings it (`Prediction.var`), whether its head learned the square of the noise (SN) or the residual of
    the prediction (NPR): `guidance.networks.variance`.

    eta: 1 is the form for DDPM, 0 the one for DDIM.
    ceiling: as in Analytic-DPM.

    On Gaussian data of any diagonal covariance the marginal is exact for any number of steps that end above sigma = 0.
    """

    eta: float = 1.0
    ceiling: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta of a learned variance must be between 0 (DDIM) and 1 (DDPM), got {self.eta}")
        if not self.ceiling > 0:
            raise ValueError(f"ceiling of a learned variance must be positive, got {self.ceiling}")

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(eta=0.0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None:
            raise ValueError("a learned variance is drawn from in every step: pass a noise")
        for s, t in pairwise(nodes(schedule, grid)):
            found = denoise(x, s.clock)
            if found.var is None:
                raise ValueError("the denoiser brings no variance: train a head for it (distill.recipes.variance_head)")
            x0 = found.x0
            x = ancestral(x, x0, s, t, self.eta, found.var.clamp(0, self.ceiling), noise)
            yield Step(s.t, t.t, x, x0)
