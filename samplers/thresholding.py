"""Denoised samples kept in the range of the data: static and dynamic thresholding, as wrappers of a denoiser.

Both answer an x0 prediction, so that a sampler that reads eps reads the one that belongs to the kept x0.
"""

from dataclasses import dataclass

from torch import Tensor

from samplers.prediction import Prediction
from samplers.types import Denoiser


@dataclass(frozen=True, eq=False)
class StaticThreshold:
    """x0 clipped to [low, high] (Ho et al. 2020, 2006.11239, and Saharia et al. 2022, 2205.11487, section 2.3)."""

    denoise: Denoiser
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a threshold needs low < high, got {self.low} and {self.high}")

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        found = self.denoise(x_t, t)
        return _denoised(found, found.x0.clamp(self.low, self.high))


@dataclass(frozen=True, eq=False)
class DynamicThreshold:
    """Saharia et al. 2022 (Imagen), 2205.11487, section 2.3: x0 of every sample clipped to [-s, s] and divided by s.

    s is the quantile `share` of the sample's own |x0|, at least 1 and at most `ceiling`; data are in [-1, 1].
    """

    denoise: Denoiser
    share: float = 0.995
    ceiling: float = float("inf")

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"the share of a dynamic threshold is above 0 and at most 1, got {self.share}")
        if not self.ceiling >= 1:
            raise ValueError(f"the ceiling of a dynamic threshold is at least 1, got {self.ceiling}")

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        found = self.denoise(x_t, t)
        x0 = found.x0
        rows = x0.detach().abs().flatten(1)
        rows = rows.float() if rows.dtype.itemsize < 4 else rows  # quantiles know no half precision
        scale = rows.quantile(self.share, dim=1).clamp(1, self.ceiling).to(x0).reshape(-1, *[1] * (x0.ndim - 1))
        return _denoised(found, x0.clamp(-scale, scale) / scale)


def _denoised(found: Prediction, x0: Tensor) -> Prediction:
    return Prediction(x0, "x0", found.x_t, found.alpha, found.sigma, found.var)
