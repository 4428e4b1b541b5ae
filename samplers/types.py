"""The shapes that samplers, teachers and students agree on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from samplers.noise import Noise
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule

Denoiser = Callable[[Tensor, Tensor], Prediction]
"""(x_t (b, ...), t) -> the prediction there; t is (b,) or one number, in float64 on the host when a sampler asks."""

Jump = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x_s, s, t) -> x_t: a learned flow map (consistency, CTM, shortcut, MeanFlow students)."""


class SplitDenoiser(Protocol):
    """A `Denoiser` that can show the two sides of its guidance."""

    def __call__(self, x_t: Tensor, t: Tensor, /) -> Prediction: ...

    def parts(self, x_t: Tensor, t: Tensor, /) -> tuple[Prediction, Prediction]:
        """(null, cond)."""
        ...


@dataclass(frozen=True, eq=False)
class Step:
    """One step from time `s` to the cleaner `t`: the state `x` at t, and the denoised sample `x0` seen at s."""

    s: float
    t: float
    x: Tensor
    x0: Tensor


class Sampler(Protocol):
    """A frozen dataclass whose fields are its hyperparameters."""

    @property
    def order(self) -> int:
        """Order of convergence at these settings (of the law, where it is stochastic)."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether a call needs `noise`."""
        ...

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        """The settings that the tests run and the command line shows."""
        ...

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int | None:
        """Denoiser calls on `grid`; None where the sampler chooses its own steps and the number depends on the data."""
        ...

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        """Steps along `grid` from `x` (b, ...) at grid[0].

        grid: 1-D float64, decreasing times (`samplers.grids`). Gradients flow: a caller who wants none says so.
        ValueError where the grid is not decreasing in [0, 1], or `noise` is missing.
        """
        ...


def last(steps: Iterator[Step]) -> Tensor:
    """The state after the last step, holding no other."""
    x = None
    for step in steps:
        x = step.x
    if x is None:
        raise ValueError("no steps: a grid needs at least two times")
    return x
