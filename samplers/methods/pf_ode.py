"""The probability-flow ODE in t."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor

from samplers.adams import rates, transfer
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step

TABLEAUS: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    "euler": ((), (1.0,)),
    "heun": (((1.0,),), (1 / 2, 1 / 2)),
    "kutta4": (((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


@dataclass(frozen=True)
class ProbabilityFlow:
    """The probability-flow ODE as a black box, Song et al. 2021, 2011.13456, eq 13: dx/dt = alpha' x0 + sigma' eps,
    which is f x - g^2 score / 2 with nothing divided by alpha, stepped in t by an explicit Runge-Kutta method.

    method: "euler", "heun" or "kutta4" (the classical fourth-order method). A step to sigma = 0, where sigma' can be
    infinite, takes the denoised sample.
    """

    method: Literal["euler", "heun", "kutta4"] = "euler"

    @property
    def order(self) -> int:
        return len(TABLEAUS[self.method][1])

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(method="heun"), cls(method="kutta4")

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """`order` a step, but one on a step to sigma = 0."""
        path = nodes(schedule, grid)
        return self.order * (len(path) - 2) + (self.order if path[-1].sigma > 0 else 1)

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        rows, shares = TABLEAUS[self.method]
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            if t.sigma == 0:
                x = transfer(x, here.x0, s, t)
            else:
                slopes, width = [velocity(schedule, here, s.t)], t.t - s.t
                for row in rows:
                    at = s.t + sum(row) * width
                    state = x + width * _sum(row, slopes)
                    clock = torch.tensor(at, dtype=torch.float64)
                    slopes.append(velocity(schedule, denoise(state, clock), at))
                x = x + width * _sum(shares, slopes)
            yield Step(s.t, t.t, x, here.x0)


def velocity(schedule: NoiseSchedule, prediction: Prediction, t: float) -> Tensor:
    """dx/dt along the flow."""
    alpha, sigma = (float(rate) for rate in rates(schedule, t))
    return alpha * prediction.x0 + sigma * prediction.eps


def _sum(weights: tuple[float, ...], values: list[Tensor]) -> Tensor:
    total = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        total = total + weight * value
    return total
