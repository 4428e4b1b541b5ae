"""Two Gaussians of equal covariance as a conditional teacher: its guided denoiser is known for every scale."""

import torch
from torch import Tensor

from guidance.teacher import Guided
from guidance.teachers.mixture import Mixture
from samplers.prediction import Kind
from samplers.schedule import NoiseSchedule, VPLinear

SHAPE = (2, 3, 3)
G = torch.Generator().manual_seed(0)
MEAN_C, MEAN_U, MEAN_N = torch.randn(3, *SHAPE, generator=G, dtype=torch.float64)
SPREAD = 0.3
"""Variance of each Gaussian, in every dimension."""


def teacher(kind: Kind = "eps", schedule: NoiseSchedule | None = None) -> Mixture:
    """Prompts "c", "u" and "n" name one Gaussian each."""
    means = torch.stack([MEAN_C, MEAN_U, MEAN_N])
    variances = torch.full_like(means, SPREAD)
    prompts = {"c": [0], "u": [1], "n": [2]}
    return Mixture(schedule or VPLinear(), torch.ones(3).double(), means, variances, prompts, kind)


def guided(scale: float, kind: Kind = "eps", schedule: NoiseSchedule | None = None, weight: float | Tensor = 0.0):
    """Guidance from "u" to "c", away from "n" if `weight` is not zero."""
    t = teacher(kind, schedule)
    away = ((t.embed(["n"]), weight),) if isinstance(weight, Tensor) or weight else ()
    return Guided(t, t.embed(["c"]), t.embed(["u"]), scale, away)


def denoised(x_t: Tensor, t: Tensor, mean: Tensor, schedule: NoiseSchedule | None = None) -> Tensor:
    """E[x0 | x_t] for N(mean, SPREAD)."""
    alpha, sigma = (schedule or VPLinear()).coefficients(t, x_t)
    return mean + alpha * SPREAD / (alpha**2 * SPREAD + sigma**2) * (x_t - alpha * mean)
