"""ERA-Solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from torch import Tensor

from samplers.adams import shift, transfer
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step

MOULTON = (9 / 24, 19 / 24, -5 / 24, 1 / 24)


@dataclass(frozen=True)
class ERA:
    """ERA-Solver, Li et al. 2023, 2301.12935, algorithm 1: implicit Adams-Moulton on noise predictions over the DDIM
    transfer, where the noise at the next node is a Lagrange polynomial through past ones, and which of them is chosen
    by how well the last polynomial did.

    bases: noise predictions that the polynomial goes through, k. tolerance: the error (root mean square over the
    batch) at which the bases are spread evenly over the whole past, lambda; a smaller one takes newer bases, a larger
    one older. The paper measures the norm, which grows with resolution.

    The paper's rounding can choose a node twice; ours then moves to the next older one. The weights of Adams-Moulton
    are those of equal steps, which nodes of a schedule are not in sigma / alpha: the order is 2.
    """

    bases: int = 4
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if self.bases < 2 or not self.tolerance > 0:
            raise ValueError(f"era needs bases >= 2 and tolerance > 0, got {self.bases} and {self.tolerance}")

    @property
    def order(self) -> int:
        return 2

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(bases=3), cls(tolerance=0.01)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        past: list[tuple[float, Tensor]] = []
        foreseen: Tensor | None = None
        for s, t in pairwise(nodes(schedule, grid)):
            here = denoise(x, s.clock)
            if s.alpha == 0 or t.sigma == 0:
                x = transfer(x, here.x0, s, t)
            else:
                past = [*past, (s.t, here.eps)]
                if len(past) < self.bases:
                    eps, foreseen = _start(past), None
                else:
                    error = 0.0 if foreseen is None else float((here.eps - foreseen).square().mean().sqrt())
                    chosen = choice(len(past), self.bases, error / self.tolerance)
                    foreseen = _lagrange([past[i] for i in chosen], t.t)
                    recent = [foreseen, *(eps for _, eps in past[:-4:-1])]
                    eps = sum((w * e for w, e in zip(MOULTON, recent, strict=False)), here.eps * 0.0)
                x = shift(x, eps, s, t)
            yield Step(s.t, t.t, x, here.x0)


def choice(count: int, bases: int, power: float) -> list[int]:
    """Which `bases` of `count` past nodes to use, newest first: eq 15 and 16, made distinct. The newest is always one;
    power 0 takes the newest ones, 1 an even spread, and more moves to the oldest."""
    last = count - 1
    taken = [last]
    for m in range(bases - 1, 0, -1):
        index = int(last * ((m - 1) / (bases - 1)) ** power) if m > 1 or power > 0 else last
        taken.append(max(min(index, taken[-1] - 1), m - 1))
    return taken


def _lagrange(bases: list[tuple[float, Tensor]], t: float) -> Tensor:
    total = bases[0][1] * 0.0
    for i, (at, eps) in enumerate(bases):
        weight = 1.0
        for j, (other, _) in enumerate(bases):
            if j != i:
                weight *= (t - other) / (at - other)
        total = total + weight * eps
    return total


def _start(past: list[tuple[float, Tensor]]) -> Tensor:
    """Two nodes are enough for order 2 until there are bases; the paper takes DDIM steps."""
    return past[-1][1] if len(past) == 1 else 1.5 * past[-1][1] - 0.5 * past[-2][1]
