"""How a network's raw output is read: direct (v, eps, x0, flow), preconditioned (EDM) or posterior, on any process.

"posterior": the output is what the picture is without a look at its noisy pixels, right to `prior_std`; x0 is the mean
of N(output, prior_std^2) given x_t. At strong noise that is x0 itself, at weak noise the picture passes through.

Training fits the raw output to `target` by plain mean squared error. That is the usual loss of every form: for EDM the
weight 1 / c_out^2 (Karras et al. 2022, 2206.00364, table 1) has cancelled against the scale of the output, for eps on a
variance-exploding process it is the 1 / sigma^2 that Song et al. 2021 (2011.13456) write in front of the score loss.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from samplers.prediction import Kind, Prediction

Form = Literal["v", "eps", "x0", "flow", "edm", "posterior"]
FORMS: tuple[Form, ...] = ("v", "eps", "x0", "flow", "edm", "posterior")
DIRECT: dict[Form, Kind] = {"v": "v", "eps": "eps", "x0": "x0", "flow": "flow"}


@dataclass(frozen=True)
class Preconditioner:
    """Scales of input and output of a network; `data_std` is the standard deviation of the data (sigma_data),
    `prior_std` that of what the form "posterior" leaves open.

    All tensors have shape (b, ...); alpha and sigma broadcast against them.
    """

    form: Form
    data_std: float = 0.5
    prior_std: float = 0.1

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"unknown prediction form {self.form!r}; known: {', '.join(FORMS)}")
        for name in ("data_std", "prior_std"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def _variance(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        return (alpha * self.data_std) ** 2 + sigma**2

    def scale_in(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the noisy input is multiplied with so that it has unit variance."""
        return self._variance(alpha, sigma).rsqrt()

    def _skip_out(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """x0 = skip x_t + out F for a unit-variance target F; EDM's table 1 at alpha = 1."""
        variance = self._variance(alpha, sigma)
        return alpha * self.data_std**2 / variance, sigma * self.data_std * variance.rsqrt()

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the raw output should be."""
        if self.form == "edm":
            skip, out = self._skip_out(alpha, sigma)
            return (x0 - skip * (alpha * x0 + sigma * eps)) / out
        if self.form == "posterior":
            return x0 - (alpha * self.prior_std**2 / sigma) * eps
        return {"v": alpha * eps - sigma * x0, "eps": eps, "x0": x0, "flow": eps - x0}[self.form]

    def x0_per_raw(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """How much x0 moves, up to the sign, when the raw output moves by 1 at a fixed x_t."""
        if self.form == "edm":
            return self._skip_out(alpha, sigma)[1]
        if self.form == "posterior":
            return sigma**2 / ((alpha * self.prior_std) ** 2 + sigma**2)
        one = torch.ones_like(alpha)
        below = {"v": alpha**2 + sigma**2, "eps": alpha, "x0": one, "flow": alpha + sigma}[self.form]
        return (one if self.form == "x0" else sigma) / below

    def weight(self, alpha: Tensor, sigma: Tensor) -> Tensor | float:
        """Weight of the squared error of the raw output: 1, or for "posterior" what makes it the squared error of x0
        over the variance of the posterior."""
        if self.form == "posterior":
            return sigma**2 / ((alpha * self.prior_std) ** 2 + sigma**2)
        return 1.0

    def prediction(self, raw: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Prediction:
        """The raw output as a prediction at `x_t`."""
        if self.form == "edm":
            skip, out = self._skip_out(alpha, sigma)
            return Prediction(skip * x_t + out * raw, "x0", x_t, alpha, sigma)
        if self.form == "posterior":
            own = alpha * self.prior_std**2
            return Prediction((own * x_t + sigma**2 * raw) / (alpha * own + sigma**2), "x0", x_t, alpha, sigma)
        return Prediction(raw, DIRECT[self.form], x_t, alpha, sigma)
