"""Classifier score distillation."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guidance.objective import Direction, noise_share
from guidance.teacher import Guided


@dataclass(frozen=True)
class CSD:
    """Classifier score distillation, Yu et al. 2023, 2310.19415: w (eps_cond - eps_null) alone, with
    w = sigma^2 / (alpha^2 + sigma^2).

    The scale and the negatives of the guidance have no say: there is no unconditional term to balance.
    """

    @property
    def draws(self) -> int:
        return 1

    @torch.no_grad()
    def __call__(self, x: Tensor, guided: Guided, t: Tensor, noise: Tensor, critic: Any = None) -> Direction:
        null, cond = guided.parts(guided.teacher.schedule.diffuse(x, t, noise[0]), t)
        grad = noise_share(cond) * (cond.eps - null.eps)
        return Direction(grad, {"grad": grad.square().mean().sqrt()})
