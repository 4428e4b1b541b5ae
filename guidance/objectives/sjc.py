"""Score Jacobian chaining."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guidance.objective import Direction
from guidance.teacher import Guided


@dataclass(frozen=True)
class SJC:
    """Score Jacobian chaining, Wang et al. 2022, 2212.00774: the score at x + rho n averaged over n, with
    rho = sigma / alpha ("perturb and average"), times rho as in the paper's experiments.

    draws: how many n.
    centered: score (D - x) / rho^2 instead of (D - x - rho n) / rho^2; the mean is the same, the variance less where
    rho exceeds the spread of the data, and more below.
    """

    draws: int = 1
    centered: bool = True

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"SJC needs at least one draw, got {self.draws}")

    @torch.no_grad()
    def __call__(self, x: Tensor, guided: Guided, t: Tensor, noise: Tensor, critic: Any = None) -> Direction:
        alpha, sigma = guided.teacher.schedule.coefficients(t, x)
        rho = sigma / alpha
        grad = torch.zeros_like(x)
        for n in noise:
            seen = x + rho * n
            denoised = guided(alpha * seen, t).x0
            grad = grad + ((x if self.centered else seen) - denoised) / rho / len(noise)
        return Direction(grad, {"grad": grad.square().mean().sqrt()})
