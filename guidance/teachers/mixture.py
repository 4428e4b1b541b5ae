"""A mixture of Gaussians as a teacher: exact at every noise level, no weights; what theory says can be tested on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from guidance.teacher import CameraLaw, Views
from samplers.prediction import Kind, Prediction
from samplers.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class MixtureCond:
    """log_weights (n, K): one row a prompt, -inf for components that the prompt excludes."""

    log_weights: Tensor

    def __len__(self) -> int:
        return len(self.log_weights)

    def __getitem__(self, rows: Tensor, /) -> "MixtureCond":
        return MixtureCond(self.log_weights[rows])

    def cat(self, other: "MixtureCond", /) -> "MixtureCond":
        return MixtureCond(torch.cat([self.log_weights, other.log_weights]))

    def at(self, views: Views, /) -> "MixtureCond":
        return MixtureCond(self.log_weights.expand(len(views), -1))


@dataclass(frozen=True, eq=False)
class Mixture:
    """sum_k weights_k N(means_k, diag variances_k) seen through any schedule, computed in the dtype of x_t.

    weights: (K,), positive, of any sum. means: (K, C, H, W). variances: broadcastable against means, positive.
    prompts: components by prompt, whose weights are then renormalized; "" is all of them.
    kind: what the "network" outputs; all kinds agree.

    At x_t a component has mean alpha means_k and variance v_k = alpha^2 variances_k + sigma^2; with posterior weights
    r_k, eps = sum_k r_k (sigma / v_k) (x_t - alpha means_k), which is -sigma times the score, and x0 follows alike. No
    formula divides by alpha or sigma, so both ends of a schedule are fine. The variance of x0 comes with it, exact too.
    """

    schedule: NoiseSchedule
    weights: Tensor
    means: Tensor
    variances: Tensor
    prompts: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    kind: Kind = "eps"

    def __post_init__(self) -> None:
        if self.means.ndim != 4 or self.weights.shape != self.means.shape[:1]:
            raise ValueError(
                f"a mixture needs weights (K,) and means (K, C, H, W), got {tuple(self.weights.shape)} "
                f"and {tuple(self.means.shape)}"
            )
        if not bool((self.weights > 0).all()) or not bool((self.variances > 0).all()):
            raise ValueError("weights and variances of a mixture must be positive")

    @property
    def shape(self) -> tuple[int, int, int]:
        _, c, h, w = self.means.shape
        return c, h, w

    @property
    def cameras(self) -> CameraLaw | None:
        return None

    def embed(self, prompts: Sequence[str], /) -> MixtureCond:
        """ValueError on a prompt that names no components."""
        rows = torch.full((len(prompts), len(self.weights)), -torch.inf, dtype=self.weights.dtype)
        for row, prompt in zip(rows, prompts, strict=True):
            if prompt and prompt not in self.prompts:
                raise ValueError(f"this mixture has no prompt {prompt!r}; known: {', '.join(self.prompts) or 'none'}")
            chosen = list(self.prompts[prompt]) if prompt else list(range(len(self.weights)))
            row[chosen] = self.weights[chosen].log()
        return MixtureCond(rows)

    def encode(self, images: Tensor, /) -> Tensor:
        return 2 * images - 1

    def decode(self, latents: Tensor, /) -> Tensor:
        return (latents + 1) / 2

    def __call__(self, x_t: Tensor, t: Any, cond: MixtureCond, /) -> Prediction:
        alpha, sigma = self.schedule.coefficients(t, x_t)
        means, variances = self.means.to(x_t), self.variances.to(x_t).expand_as(self.means)
        a, s = alpha.unsqueeze(1), sigma.unsqueeze(1)
        spread = a**2 * variances + s**2
        off = x_t.unsqueeze(1) - a * means
        log_density = -0.5 * (off**2 / spread + spread.log()).flatten(2).sum(2)
        posterior = (cond.log_weights.to(x_t) + log_density).softmax(1)[:, :, None, None, None]
        score = -(posterior * off / spread).sum(1)
        centers = means + a * variances / spread * off
        x0 = (posterior * centers).sum(1)
        var = (posterior * (variances * s**2 / spread + (centers - x0.unsqueeze(1)) ** 2)).sum(1)
        eps = -sigma * score
        match self.kind:
            case "x0":
                value = x0
            case "eps":
                value = eps
            case "score":
                value = score
            case "v":
                value = alpha * eps - sigma * x0
            case "flow":
                value = eps - x0
        return Prediction(value, self.kind, x_t, alpha, sigma, var)
