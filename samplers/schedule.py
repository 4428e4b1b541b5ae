"""Noise schedules: x_t = alpha(t) x0 + sigma(t) eps, with t = 0 clean and t = 1 noise.

A schedule is three formulas. Each is written once for float64 tensors on the host (`_alpha`, `_sigma`, `_t_of_lam`);
the public methods accept numbers and tensors of any dtype and device, and answer in the same dtype and on the same
device (Python numbers answer in float64), so no float64 tensor ever reaches an accelerator. Everything else about a
process (log-SNR, SNR, broadcast coefficients) is derived from the three and is never overridden.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import pairwise
from math import log, pi
from typing import Any, cast, final

import torch
from torch import Tensor

Time = float | Tensor


def _in_float64(formula: Callable[[Tensor], Tensor], value: Time) -> Tensor:
    """`formula` evaluated in float64 on the host; a tensor answers in its own dtype and on its own device."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return formula(value.to("cpu", torch.float64)).to(value)
    return formula(torch.as_tensor(value, dtype=torch.float64))


class NoiseSchedule(ABC):
    """A Gaussian diffusion process. alpha(0) = 1 and sigma(0) = 0 exactly, and lam falls strictly from +inf."""

    @abstractmethod
    def _alpha(self, t: Tensor) -> Tensor: ...

    @abstractmethod
    def _sigma(self, t: Tensor) -> Tensor: ...

    @abstractmethod
    def _t_of_lam(self, lam: Tensor) -> Tensor: ...

    @final
    def alpha(self, t: Time) -> Tensor:
        """Scale of the clean signal at times `t` in [0, 1]; same shape as `t`."""
        return _in_float64(self._alpha, t)

    @final
    def sigma(self, t: Time) -> Tensor:
        """Standard deviation of the noise at times `t` in [0, 1]; same shape as `t`."""
        return _in_float64(self._sigma, t)

    @final
    def lam(self, t: Time) -> Tensor:
        """Half log-SNR, log alpha - log sigma: +inf at t = 0, and -inf where alpha is 0."""
        return _in_float64(lambda t: self._alpha(t).log() - self._sigma(t).log(), t)

    @final
    def snr(self, t: Time) -> Tensor:
        """Signal-to-noise ratio alpha^2 / sigma^2: +inf at t = 0."""
        return _in_float64(lambda t: (self._alpha(t) / self._sigma(t)) ** 2, t)

    @final
    def t_of_lam(self, lam: Time) -> Tensor:
        """The inverse of `lam`, for lam >= lam(1); lam = +inf gives t = 0."""
        return _in_float64(self._t_of_lam, lam)

    @final
    def coefficients(self, t: Time, like: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma in the dtype and on the device of `like` (b, ...), shaped to broadcast against it.

        `t` of shape (b,) gives (b, 1, 1, ...); one number gives (1, 1, 1, ...).
        """
        exact = torch.as_tensor(t).to("cpu", torch.float64).reshape(-1, *[1] * (like.ndim - 1))
        return self._alpha(exact).to(like), self._sigma(exact).to(like)

    @final
    def diffuse(self, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
        """x_t = alpha x0 + sigma eps, for x0 (b, ...) and `t` (b,) or one number."""
        alpha, sigma = self.coefficients(t, x0)
        return alpha * x0 + sigma * eps

    @final
    def to_json(self) -> dict[str, Any]:
        """The class name under "kind" and its fields; read back by `schedule_from_json`."""
        return {"kind": type(self).__name__, **asdict(self)}  # pyright: ignore[reportArgumentType, reportCallIssue]


@dataclass(frozen=True)
class VPLinear(NoiseSchedule):
    """Variance preserving, beta linear in t: DDPM in the continuous form of Song et al. 2021 (2011.13456, eq 33)."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max:
            raise ValueError(f"VPLinear needs 0 < beta_min < beta_max, got {self.beta_min} and {self.beta_max}")

    def _integral(self, t: Tensor) -> Tensor:
        return t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t)

    def _alpha(self, t: Tensor) -> Tensor:
        return (-0.5 * self._integral(t)).exp()

    def _sigma(self, t: Tensor) -> Tensor:
        return (-torch.expm1(-self._integral(t))).sqrt()

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        # The integral is -2 log alpha = log(1 + e^(-2 lam)); the root is written so that nothing cancels near t = 0.
        integral = torch.logaddexp(torch.zeros_like(lam), -2 * lam)
        root = (self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral).sqrt()
        return 2 * integral / (root + self.beta_min)


@dataclass(frozen=True)
class VPCosine(NoiseSchedule):
    """Variance preserving, alpha = cos(pi t / 2): the cosine schedule of Nichol and Dhariwal 2021 (2102.09672) in the
    continuous form of Salimans and Ho 2022 (2202.00512), that is, without the offset s, so that both ends are exact."""

    def _alpha(self, t: Tensor) -> Tensor:
        return (0.5 * pi * (1 - t)).sin()

    def _sigma(self, t: Tensor) -> Tensor:
        return (0.5 * pi * t).sin()

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        return (2 / pi) * (-lam).exp().atan()


@dataclass(frozen=True)
class Tabulated(NoiseSchedule):
    """Variance preserving from a table of alpha^2, diffusers' `alphas_cumprod`: entry k holds at t = (k + 1) / T.

    Between entries lam is linear in t; below the first entry sigma / alpha is proportional to t, which reaches the
    clean end exactly.
    """

    alphas_cumprod: tuple[float, ...]

    def __post_init__(self) -> None:
        table = self.alphas_cumprod
        falling = all(a > b for a, b in pairwise(table))
        if len(table) < 2 or not falling or not 0 < table[-1] < table[0] < 1:
            raise ValueError(
                "alphas_cumprod must hold at least two values falling strictly from below 1 to above 0 "
                f"(for zero terminal SNR put 2**-24 last), got {len(table)} values, {table[:1]} to {table[-1:]}"
            )

    @cached_property
    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Times and lam of the entries, each (T,), times rising."""
        squares = torch.tensor(self.alphas_cumprod, dtype=torch.float64)
        times = torch.arange(1, len(squares) + 1, dtype=torch.float64) / len(squares)
        return times, 0.5 * (squares.log() - torch.log1p(-squares))

    def _lam(self, t: Tensor) -> Tensor:
        times, lams = self._nodes
        right = torch.searchsorted(times, t.contiguous()).clamp(1, len(times) - 1)
        weight = (t - times[right - 1]) / (times[right] - times[right - 1])
        between = lams[right - 1] + weight * (lams[right] - lams[right - 1])
        return torch.where(t < times[0], lams[0] - (t / times[0]).log(), between)

    def _alpha(self, t: Tensor) -> Tensor:
        return (2 * self._lam(t)).sigmoid().sqrt()

    def _sigma(self, t: Tensor) -> Tensor:
        return (-2 * self._lam(t)).sigmoid().sqrt()

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        times, lams = self._nodes
        right = torch.searchsorted(-lams, -lam.contiguous()).clamp(1, len(times) - 1)
        weight = (lam - lams[right - 1]) / (lams[right] - lams[right - 1])
        between = times[right - 1] + weight * (times[right] - times[right - 1])
        return torch.where(lam > lams[0], times[0] * (lams[0] - lam).exp(), between)


@dataclass(frozen=True)
class VE(NoiseSchedule):
    """Variance exploding (Song et al. 2021, 2011.13456), made exact at the clean end:
    sigma^2 = sigma_min^2 ((sigma_max / sigma_min)^(2t) - 1)."""

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(f"VE needs 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}")

    def _alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def _sigma(self, t: Tensor) -> Tensor:
        return self.sigma_min * torch.expm1(2 * log(self.sigma_max / self.sigma_min) * t).sqrt()

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        return torch.log1p(((-lam).exp() / self.sigma_min) ** 2) / (2 * log(self.sigma_max / self.sigma_min))


@dataclass(frozen=True)
class EDM(NoiseSchedule):
    """Karras et al. 2022 (2206.00364): alpha = 1 and sigma = sigma_max t."""

    sigma_max: float = 80.0

    def __post_init__(self) -> None:
        if not self.sigma_max > 0:
            raise ValueError(f"EDM needs sigma_max > 0, got {self.sigma_max}")

    def _alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def _sigma(self, t: Tensor) -> Tensor:
        return self.sigma_max * t

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        return (-lam).exp() / self.sigma_max


@dataclass(frozen=True)
class RectifiedFlow(NoiseSchedule):
    """The straight path x_t = (1 - t) x0 + t eps (Liu et al. 2022, 2209.03003; Lipman et al. 2022, 2210.02747)."""

    def _alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def _sigma(self, t: Tensor) -> Tensor:
        return t

    def _t_of_lam(self, lam: Tensor) -> Tensor:
        return (-lam).sigmoid()


SCHEDULES: dict[str, type[NoiseSchedule]] = {
    c.__name__: c for c in (VPLinear, VPCosine, Tabulated, VE, EDM, RectifiedFlow)
}


def schedule_from_json(data: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule that `to_json` wrote. ValueError on an unknown kind or on fields that the kind does not have."""
    kind = data.get("kind")
    if kind not in SCHEDULES:
        raise ValueError(f"unknown schedule kind {kind!r}; known: {', '.join(SCHEDULES)}")
    schedule = SCHEDULES[kind]
    arguments = {name: _frozen(value) for name, value in data.items() if name != "kind"}
    known = {f.name for f in fields(schedule)}  # pyright: ignore[reportArgumentType]
    if not arguments.keys() <= known:
        raise ValueError(f"schedule {kind} has no field {', '.join(sorted(arguments.keys() - known))}")
    return schedule(**arguments)


def _frozen(value: Any) -> Any:
    """JSON has no tuples."""
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value
