"""A 1-D mixture of Gaussians whose score and flow map are known: what the sampler tests measure against."""

import torch
from torch import Tensor

from guidance.teachers.mixture import Mixture
from samplers.prediction import Kind, Prediction
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, Tabulated, VPCosine, VPLinear
from samplers.types import Denoiser

WEIGHTS = torch.tensor([0.3, 0.7], dtype=torch.float64)
MEANS = torch.tensor([-1.0, 0.8], dtype=torch.float64)
STDS = torch.tensor([0.4, 0.6], dtype=torch.float64)

TABLE = tuple(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0).tolist())
SCHEDULES: list[NoiseSchedule] = [VPLinear(), VPCosine(), Tabulated(TABLE), VE(), EDM(), RectifiedFlow()]


def mixture(schedule: NoiseSchedule, kind: Kind = "eps") -> Denoiser:
    """The exact denoiser of the mixture, on x of shape (b, 1, 1, 1)."""
    shape = (-1, 1, 1, 1)
    teacher = Mixture(schedule, WEIGHTS, MEANS.view(shape), STDS.square().view(shape), kind=kind)
    everything = teacher.embed([""])

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        return teacher(x_t, t, everything)

    return denoise


def gaussian(schedule: NoiseSchedule, mean: float, variance: float, kind: Kind = "x0") -> Denoiser:
    """The exact denoiser of N(mean, variance). The variance of x0 that it brings is that of unit Gaussian data, so that
    a sampler that uses it converges at some order instead of being exact."""

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = schedule.coefficients(t, x_t)
        x0 = mean + alpha * variance / (alpha**2 * variance + sigma**2) * (x_t - alpha * mean)
        var = (sigma**2 / (alpha**2 + sigma**2)).expand_as(x_t)
        exact = Prediction(x0, "x0", x_t, alpha, sigma, var)
        return exact if kind == "x0" else Prediction(exact.read(kind), kind, x_t, alpha, sigma, var)

    return denoise


def cdf(schedule: NoiseSchedule, x: Tensor, t: float) -> Tensor:
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    spread = (alpha**2 * STDS**2 + sigma**2).sqrt()
    z = (x.reshape(-1, 1) - alpha * MEANS) / spread
    return (WEIGHTS * torch.special.ndtr(z)).sum(1).reshape(x.shape)


def quantile(schedule: NoiseSchedule, share: Tensor, t: float) -> Tensor:
    """The inverse of `cdf`, by bisection."""
    low, high = torch.full_like(share, -400.0), torch.full_like(share, 400.0)
    for _ in range(80):
        middle = (low + high) / 2
        under = cdf(schedule, middle, t) < share
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    return (low + high) / 2


def flow(schedule: NoiseSchedule, x: Tensor, s: float, t: float) -> Tensor:
    """The probability-flow map from s to t: in one dimension it keeps the quantile."""
    return quantile(schedule, cdf(schedule, x, s), t)


def starts(schedule: NoiseSchedule, s: float) -> Tensor:
    """Points spread over the middle of the law at time s, (9, 1, 1, 1)."""
    return quantile(schedule, torch.linspace(0.05, 0.95, 9, dtype=torch.float64), s).view(-1, 1, 1, 1)
