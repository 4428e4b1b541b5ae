"""Objectives: which way a teacher pushes a picture, and how that becomes a gradient."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from guidance.teacher import Guided
from samplers.prediction import Prediction

REFERENCE_ELEMENTS = 16384
"""The size of a Stable Diffusion latent, so that the weights of that literature carry over."""


@dataclass(frozen=True, eq=False)
class Direction:
    """grad (b, ...): what descent subtracts from x, without a graph. log: named 0-dim tensors for a person to read."""

    grad: Tensor
    log: Mapping[str, Tensor]


class Objective(Protocol):
    """A frozen dataclass whose fields are its hyperparameters; its call is pure."""

    @property
    def draws(self) -> int:
        """Noise draws it wants for every sample."""
        ...

    def __call__(self, x: Tensor, guided: Guided, t: Tensor, noise: Tensor, critic: Any = None) -> Direction:
        """The direction for `x` (b, ...), what the network sees, at times `t` (b,).

        noise: (draws, b, ...), standard normal (`draw_noise`). critic: what `critic(teacher)` made, for those
        objectives that learn one.
        """
        ...


def noise_share(prediction: Prediction) -> Tensor:
    """sigma^2 / (alpha^2 + sigma^2): sigma^2 where the process preserves variance, and bounded where it does not."""
    return prediction.sigma**2 / (prediction.alpha**2 + prediction.sigma**2)


def draw_noise(objective: Objective, x: Tensor, generator: torch.Generator) -> Tensor:
    """Noise for one call of `objective` on `x`: (draws, *x.shape)."""
    shape = (objective.draws, *x.shape)
    return torch.randn(shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)


def as_loss(x: Tensor, direction: Direction) -> Tensor:
    """A scalar whose gradient with respect to `x` (b, ...) is `direction.grad` * 16384 / elements of x.

    So a view counts the same at every resolution, and a batch is a mean over views. The value itself means nothing.
    """
    return (direction.grad * x).sum() * (REFERENCE_ELEMENTS / x.numel())
