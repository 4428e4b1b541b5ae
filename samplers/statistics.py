"""How well a denoiser knows x0 at every noise level: measured once, the base of Analytic-DPM and of schedules.

Two averages over data and elements, at half log-SNRs:

    gamma = E |eps^(x_t)|^2 / d        (Bao et al. 2022, 2201.06503, eq 8)
    error = E |x0 - x0^(x_t)|^2 / d    (Watson et al. 2021, 2106.03802: R_j / d)

For an exact denoiser error = (sigma / alpha)^2 (1 - gamma), the variance of x0 given x_t averaged over its elements.
Measured as written, the left side stays precise near pure noise, where the right side is a large number times the
difference of two that are nearly equal; and for a denoiser that is not exact, it is the left side that is the optimal
variance (Bao et al. 2022, 2206.07309, theorem 2).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import exp, isfinite
from typing import Any

import torch
from torch import Tensor

from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser

LEVELS = tuple(k / 4 for k in range(-32, 33))
"""Half log-SNRs at which `estimate` looks unless told otherwise; those that a process does not reach are left out."""


@dataclass(frozen=True)
class DenoisingStatistics:
    """`gamma` and `error` at half log-SNRs `lam`, rising; beyond them constant.

    Between them gamma is linear in lam, and the logarithm of the error, which falls as e^(-2 lam) at the clean end.
    """

    lam: tuple[float, ...]
    gamma: tuple[float, ...]
    error: tuple[float, ...]

    def __post_init__(self) -> None:
        sizes = {len(self.lam), len(self.gamma), len(self.error)}
        if len(sizes) != 1 or not self.lam or not all(a < b for a, b in pairwise(self.lam)):
            raise ValueError(
                f"statistics need equally many of lam (rising), gamma and error, got {len(self.lam)}, "
                f"{len(self.gamma)}, {len(self.error)}"
            )
        if not all(isfinite(v) and v >= 0 for v in (*self.gamma, *self.error)):
            raise ValueError("gamma and error of statistics are averages of squares: finite and not negative")

    @classmethod
    def of_gaussian(cls, variance: float, lam: Sequence[float] = LEVELS) -> "DenoisingStatistics":
        """Of the exact denoiser of N(mean, variance): gamma = 1 / (1 + snr variance)."""
        known = [1 / (1 + exp(2 * level) * variance) for level in lam]
        return cls(tuple(lam), tuple(known), tuple(variance * gamma for gamma in known))

    def gamma_at(self, lam: float) -> float:
        left, right, weight = self._around(lam)
        return (1 - weight) * self.gamma[left] + weight * self.gamma[right]

    def error_at(self, lam: float) -> float:
        left, right, weight = self._around(lam)
        return self.error[left] ** (1 - weight) * self.error[right] ** weight

    def _around(self, lam: float) -> tuple[int, int, float]:
        """The levels on either side of `lam`, and how far it is on the way from the left one to the right one."""
        right = bisect_right(self.lam, lam)
        if right in (0, len(self.lam)):
            nearest = min(right, len(self.lam) - 1)
            return nearest, nearest, 0.0
        return right - 1, right, (lam - self.lam[right - 1]) / (self.lam[right] - self.lam[right - 1])

    def to_json(self) -> dict[str, list[float]]:
        return {name: list(values) for name, values in asdict(self).items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "DenoisingStatistics":
        """What `to_json` wrote. KeyError, TypeError or ValueError where it did not."""
        return DenoisingStatistics(*(tuple(map(float, data[name])) for name in ("lam", "gamma", "error")))


@torch.no_grad()
def estimate(
    batches: Iterable[tuple[Denoiser, Tensor]],
    schedule: NoiseSchedule,
    generator: torch.Generator,
    lam: Sequence[float] = LEVELS,
) -> DenoisingStatistics:
    """The statistics over pairs of a denoiser, bound to the conditions of its batch, and clean data (b, ...).

    Every batch is seen at every level that lies on `schedule`, with noise of its own. ValueError without data.
    """
    reached = [(level, schedule.t_of_lam(level)) for level in lam if level > float(schedule.lam(1.0))]
    sums = torch.zeros(2, len(reached), dtype=torch.float64)
    seen = 0
    for denoise, x0 in batches:
        seen += x0.numel()
        for k, (_, t) in enumerate(reached):
            eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
            found = denoise(schedule.diffuse(x0, t, eps), t)
            sums[0, k] += float(found.eps.double().square().sum())
            sums[1, k] += float((x0 - found.x0).double().square().sum())
    if not seen:
        raise ValueError("statistics need at least one batch of data")
    gamma, error = sums / seen
    levels = tuple(level for level, _ in reached)
    return DenoisingStatistics(levels, tuple(map(float, gamma)), tuple(map(float, error)))
