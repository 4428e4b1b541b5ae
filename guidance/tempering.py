"""What tempers classifier-free guidance: an interval of noise levels outside of which it is off, and a rescaling.

Both are denoisers that, like `Guided`, show the guided prediction beside the conditional one; so they can be stacked.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

import torch
from torch import Tensor

from guidance.teacher import Guided
from samplers.prediction import Kind, Prediction


class Pair(Protocol):
    """A denoiser whose guided prediction can be compared with the conditional one; `Guided` is one."""

    def __call__(self, x_t: Tensor, t: Tensor, /) -> Prediction: ...

    def with_cond(self, x_t: Tensor, t: Tensor, /) -> tuple[Prediction, Prediction]:
        """(guided, cond) from one network call."""
        ...

    def parts(self, x_t: Tensor, t: Tensor, /) -> tuple[Prediction, Prediction]:
        """(null, cond) from one network call."""
        ...


@dataclass(frozen=True, eq=False)
class GuidanceInterval:
    """Guidance only where low < sigma / alpha <= high (Kynkäänniemi et al. 2024, 2404.07724, eq 5).

    Elsewhere only the condition is evaluated, at half the cost. The noise level is the paper's sigma on every process.
    """

    guided: Guided
    low: float = 0.0
    high: float = inf

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ValueError(f"a guidance interval needs 0 <= low < high, got {self.low} and {self.high}")

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        if not bool(self._within(t).any()):
            return replace(self.guided, scale=1.0, negatives=())(x_t, t)
        return self.with_cond(x_t, t)[0]

    def with_cond(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        guided, cond = self.guided.with_cond(x_t, t)
        within = self._within(t).to(x_t.device).reshape(-1, *[1] * (x_t.ndim - 1))
        value = torch.where(within, guided.value, cond.read(guided.kind))
        return replace(guided, value=value), cond

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        return self.guided.parts(x_t, t)

    def _within(self, t: Tensor) -> Tensor:
        """Where guidance is on: one flag, or one a sample."""
        level = (-self.guided.teacher.schedule.lam(torch.as_tensor(t).to("cpu", torch.float64))).exp()
        return (level > self.low) & (level <= self.high)


@dataclass(frozen=True, eq=False)
class RescaledGuidance:
    """Guided predictions with the standard deviation of the conditional one (Lin et al. 2023, 2305.08891, eq 15, 16).

    share: 0 leaves guidance as it is, 1 rescales it wholly; the paper takes 0.7.
    kind: the reading that is rescaled; None takes the network's own output, as the paper does.
    """

    guided: Pair
    share: float = 0.7
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"the share of rescaling is between 0 and 1, got {self.share}")

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        return self.with_cond(x_t, t)[0]

    def with_cond(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        guided, cond = self.guided.with_cond(x_t, t)
        kind = self.kind or cond.kind
        mixed = guided.read(kind)
        factor = 1 + self.share * (_deviation(cond.read(kind)) / _deviation(mixed) - 1)
        return replace(guided, value=factor * mixed, kind=kind), cond

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        return self.guided.parts(x_t, t)


def _deviation(value: Tensor) -> Tensor:
    """Standard deviation over the elements of a sample, (b, 1, ...)."""
    return value.std(dim=tuple(range(1, value.ndim)), keepdim=True)
