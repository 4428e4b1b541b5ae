"""Score distillation sampling."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from guidance.objective import Direction, noise_share
from guidance.teacher import Guided


@dataclass(frozen=True)
class SDS:
    """Score distillation sampling, DreamFusion, Poole et al. 2022, 2209.14988, eq 3 (eq 46 in the survey of Luo 2023).

    weighting: "sigma2" is w (eps_hat - eps) with w = sigma^2 (for processes that do not preserve variance,
    sigma^2 / (alpha^2 + sigma^2)); "x0" is x - x0_hat, the reconstruction form of MVDream (Shi et al. 2023,
    2308.16512), which is eps_hat - eps weighted by sigma / alpha.
    rescale: for "x0", how far the guided x0 is brought back to the standard deviation of the unguided one, per sample
    (Lin et al. 2023, 2305.08891, eq 15 and 16), against over-saturation: 0 is off, MVDream takes 0.5.
    """

    weighting: Literal["sigma2", "x0"] = "sigma2"
    rescale: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rescale <= 1 or (self.rescale and self.weighting == "sigma2"):
            raise ValueError(f"SDS rescale is between 0 and 1 and needs weighting x0, got {self.rescale}")

    @property
    def draws(self) -> int:
        return 1

    @torch.no_grad()
    def __call__(self, x: Tensor, guided: Guided, t: Tensor, noise: Tensor, critic: Any = None) -> Direction:
        x_t = guided.teacher.schedule.diffuse(x, t, noise[0])
        if self.rescale:
            prediction, cond = guided.with_cond(x_t, t)
            target = _rescaled(prediction.x0, cond.x0, self.rescale)
        else:
            prediction = guided(x_t, t)
            target = prediction.x0
        if self.weighting == "x0":
            grad = x - target
        else:
            grad = noise_share(prediction) * (prediction.eps - noise[0])
        return Direction(grad, {"residual": (x - target).square().mean().sqrt(), "grad": grad.square().mean().sqrt()})


def _rescaled(x0: Tensor, cond: Tensor, share: float) -> Tensor:
    dims = tuple(range(1, x0.ndim))
    factor = cond.std(dims, keepdim=True) / x0.std(dims, keepdim=True).clamp_min(1e-8)
    return x0 * (share * factor + (1 - share))
