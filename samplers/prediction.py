"""Prediction: one network output, readable as x0, eps, v, flow or score."""

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

Kind = Literal["x0", "eps", "v", "flow", "score"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """A network's output at `x_t` (b, ...), converted on reading; reading its own kind returns `value` untouched.

    alpha, sigma: broadcastable against `x_t` (`NoiseSchedule.coefficients`).
    var: the variance of x0 given x_t, element by element (b, ...), where the network learned it too, or None.

    Meanings, on x_t = alpha x0 + sigma eps: v = alpha eps - sigma x0 (Salimans and Ho 2022, 2202.00512),
    flow = eps - x0 (the velocity dx/dt of the straight path), score = -eps / sigma. A reading divides by alpha, sigma,
    alpha + sigma or alpha^2 + sigma^2 only where its own formula needs it, so it is infinite or NaN only where the
    output does not determine it (x0 from eps at alpha = 0, eps from x0 at sigma = 0).
    """

    value: Tensor
    kind: Kind
    x_t: Tensor
    alpha: Tensor
    sigma: Tensor
    var: Tensor | None = None

    @property
    def x0(self) -> Tensor:
        """The denoised sample E[x0 | x_t]."""
        match self.kind:
            case "x0":
                return self.value
            case "eps":
                return (self.x_t - self.sigma * self.value) / self.alpha
            case "v":
                return (self.alpha * self.x_t - self.sigma * self.value) / (self.alpha**2 + self.sigma**2)
            case "flow":
                return (self.x_t - self.sigma * self.value) / (self.alpha + self.sigma)
            case "score":
                return (self.x_t + self.sigma**2 * self.value) / self.alpha

    @property
    def eps(self) -> Tensor:
        """The noise E[eps | x_t]."""
        match self.kind:
            case "x0":
                return (self.x_t - self.alpha * self.value) / self.sigma
            case "eps":
                return self.value
            case "v":
                return (self.sigma * self.x_t + self.alpha * self.value) / (self.alpha**2 + self.sigma**2)
            case "flow":
                return (self.x_t + self.alpha * self.value) / (self.alpha + self.sigma)
            case "score":
                return -self.sigma * self.value

    @property
    def v(self) -> Tensor:
        return self.value if self.kind == "v" else self.alpha * self.eps - self.sigma * self.x0

    @property
    def flow(self) -> Tensor:
        return self.value if self.kind == "flow" else self.eps - self.x0

    @property
    def score(self) -> Tensor:
        """The gradient of log p_t at x_t."""
        return self.value if self.kind == "score" else -self.eps / self.sigma

    def read(self, kind: Kind) -> Tensor:
        """The reading named `kind`."""
        match kind:
            case "x0":
                return self.x0
            case "eps":
                return self.eps
            case "v":
                return self.v
            case "flow":
                return self.flow
            case "score":
                return self.score

    def mix(self, other: "Prediction", w: float | Tensor) -> "Prediction":
        """self + w (other - self), of self's kind; both at the same x_t and t. `w` broadcasts against `x_t`.

        The same prediction in every kind, because all kinds are affine in each other with a common offset and the
        weights sum to one. A learned variance is `other`'s: guidance changes the mean alone.
        """
        return replace(self, value=self.value + w * (other.read(self.kind) - self.value), var=other.var)
