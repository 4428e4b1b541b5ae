"""DEIS."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log
from typing import Literal, Self

from torch import Tensor

from samplers.adams import Seen, adams, node_at, polynomial_weights, seen, transfer
from samplers.dpm import tapered
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step

KUTTA = {2: ((1.0,),), 3: ((0.5,), (-1.0, 2.0)), 4: ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))}
SHARES = {2: (1 / 2, 1 / 2), 3: (1 / 6, 2 / 3, 1 / 6), 4: (1 / 6, 1 / 3, 1 / 3, 1 / 6)}


@dataclass(frozen=True)
class DEIS:
    """Diffusion exponential integrator sampler, Zhang and Chen 2022, 2204.13902, eq 14 and section 3.3: the noise
    prediction a polynomial between nodes, on d(x / alpha) = eps d rho with rho = sigma / alpha.

    memory: noise predictions in use, one more than the degree r of the paper's tAB-r; 1 is DDIM.
    axis: what the polynomial runs in: "t" (tAB), "rho" (rhoAB; linear multistep in diffusers) or "log_rho" (the form
    of diffusers, which equals DPM-Solver multistep). "rho_rk" is Runge-Kutta of `memory` stages in rho (rhoRK; Heun,
    Kutta's third, the classical fourth) instead.
    taper: in so many last steps, at most as many predictions are used as steps are left.
    published: rhoAB keeps its polynomial on a step to sigma = 0, as in diffusers; ours takes the denoised sample.
    """

    memory: Literal[1, 2, 3, 4] = 3
    axis: Literal["t", "rho", "log_rho", "rho_rk"] = "t"
    taper: int = 0
    published: bool = False

    @property
    def order(self) -> int:
        return self.memory

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        poly = (cls(memory=k, axis=axis) for k in (2, 3, 4) for axis in ("t", "rho", "log_rho"))
        return cls(memory=1), *poly, *(cls(memory=k, axis="rho_rk") for k in (2, 3, 4)), cls(axis="rho", published=True)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """One a step; rhoRK `memory`, but one on a step that ends at sigma = 0 or starts at alpha = 0."""
        if self.axis != "rho_rk":
            return len(grid) - 1
        return sum(self.memory if _inner(s, t) else 1 for s, t in pairwise(nodes(schedule, grid)))

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        path, history = nodes(schedule, grid), list[Seen]()
        for left, (s, t) in zip(range(len(path) - 1, 0, -1), pairwise(path), strict=True):
            here = seen(denoise(x, s.clock), s, "eps")
            history = [here, *history][: self.memory]
            used = history[: tapered(self.memory, left, self.taper)]
            if self.axis == "rho":
                x = _rho(x, used, t, to_clean=self.published)
            elif self.axis == "rho_rk":
                x = _kutta(denoise, schedule, x, here, t, self.memory)
            else:
                x = adams(x, used, t, of="eps", clock=schedule if self.axis == "t" else None)
            yield Step(s.t, t.t, x, here.x0)


def _inner(s: Node, t: Node) -> bool:
    return s.alpha > 0 and t.sigma > 0


def _rho(x: Tensor, history: list[Seen], t: Node, *, to_clean: bool) -> Tensor:
    """The integral of the polynomial in rho, which is regular at sigma = 0."""
    s = history[0].node
    if s.alpha == 0 or (t.sigma == 0 and not to_clean):
        return transfer(x, history[0].x0, s, t)
    history = [past for past in history if isfinite(past.node.lam)]
    places = [past.node.sigma / past.node.alpha for past in history]
    weights = polynomial_weights(places, places[0], t.sigma / t.alpha, rate=0.0)
    x_t = t.alpha / s.alpha * x
    for weight, past in zip(weights, history, strict=True):
        x_t = x_t + t.alpha * weight * past.value
    return x_t


def _kutta(denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, here: Seen, t: Node, stages: int) -> Tensor:
    s = here.node
    if stages == 1 or not _inner(s, t):
        return transfer(x, here.x0, s, t)
    start, width = s.sigma / s.alpha, t.sigma / t.alpha - s.sigma / s.alpha
    slopes = [here.value]
    for row in KUTTA[stages]:
        node = t if sum(row) == 1 else node_at(schedule, float(schedule.t_of_lam(-log(start + sum(row) * width))))
        state = x / s.alpha + width * sum(a * k for a, k in zip(row, slopes, strict=True))
        slopes.append(denoise(node.alpha * state, node.clock).eps)
    return t.alpha * (x / s.alpha + width * sum(b * k for b, k in zip(SHARES[stages], slopes, strict=True)))
