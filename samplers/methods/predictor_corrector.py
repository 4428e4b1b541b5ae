"""Predictor-corrector."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Self

from torch import Tensor

from samplers.adams import shift, transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class PredictorCorrector:
    """Predictor-corrector sampling, Song et al. 2021, 2011.13456, algorithms 2 to 5: at every node Langevin steps, then
    a step of the reverse diffusion, which is that of the variance exploding path for x / alpha.

    corrections: Langevin steps at a node. snr: their signal-to-noise ratio r; a step is of size 2 (r sigma)^2.
    published: the size is 2 (r |z| / |score|)^2, norms averaged over the batch. That makes it depend on the very noise
    it scales, which biases the law in low dimension, and on the neighbors in the batch; ours is its limit in high
    dimension. No variant of it is listed, because its law is not known in closed form; a test compares it to diffusers.
    """

    corrections: int = 1
    snr: float = 0.16
    published: bool = False

    def __post_init__(self) -> None:
        if self.corrections < 0 or not self.snr > 0:
            raise ValueError(
                f"needs corrections >= 0 and snr > 0, got {self.corrections} and {self.snr}; "
                "corrections=0 is the predictor alone"
            )

    @property
    def order(self) -> int:
        """The predictor's. Langevin steps of a fixed ratio add a bias that more steps do not remove, up to
        (snr sigma)^2 in the variance at a node, which is below the predictor's error at any usual number of steps."""
        return 1

    @property
    def stochastic(self) -> bool:
        return True

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(corrections=2), cls(corrections=0)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return (len(grid) - 1) * (1 + self.corrections)

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if noise is None:
            raise ValueError("predictor_corrector needs noise: pass one, or take pf_ode, which is deterministic")
        for s, t in pairwise(nodes(schedule, grid)):
            # Every draw of a step has its own piece of the step, so that noise keyed by interval differs.
            count = self.corrections + 1
            pieces = list(pairwise([*(s.t + (t.t - s.t) * k / count for k in range(count)), t.t]))
            for piece in pieces[1:]:
                eps = denoise(x, s.clock).eps
                z = noise(x, *piece)
                size = 2 * (self.snr * s.sigma) ** 2 * (_ratio(z, eps) if self.published else 1.0)
                x = x - size / s.sigma * eps + (2 * size) ** 0.5 * z
            here = denoise(x, s.clock)
            x = transfer(x, here.x0, s, t) if t.sigma == 0 else _reversed(x, here.x0, here.eps, s, t, noise, pieces[0])
            yield Step(s.t, t.t, x, here.x0)


def _ratio(z: Tensor, eps: Tensor) -> float | Tensor:
    return (_norms(z).mean() / _norms(eps).mean()) ** 2


def _norms(x: Tensor) -> Tensor:
    """Euclidean norm of every sample, (b,)."""
    return x.flatten(1).square().sum(1).sqrt()


def _reversed(x: Tensor, x0: Tensor, eps: Tensor, s: Node, t: Node, noise: Noise, piece: tuple[float, float]) -> Tensor:
    if s.alpha == 0:
        return transfer(x, x0, s, t, eta=1.0) + t.sigma * noise(x, *piece)
    before, after = s.sigma / s.alpha, t.sigma / t.alpha
    # Twice the flow's step but for the part of second order: rho_s^2 - rho_t^2 against 2 rho_s (rho_s - rho_t).
    drift = shift(x, eps * (1 + after / before), s, t)
    return drift + t.alpha * sqrt(before**2 - after**2) * noise(x, *piece)
