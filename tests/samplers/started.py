"""Exact teachers that the contract of samplers is measured on, quick enough to be called a million times."""

from collections.abc import Iterator
from functools import lru_cache
from math import pi

import torch
from torch import Tensor

from samplers.grids import karras, nodes, uniform_lam
from samplers.prediction import Prediction
from samplers.schedule import EDM, NoiseSchedule
from samplers.types import Sampler, last
from tests.samplers.exact import MEANS, STDS, WEIGHTS, cdf, starts

SCALE, TILT = 3.0, 0.1
STARTED = 6


class Exact:
    """The denoiser of the mixture of `exact`, in two sides that guidance of `SCALE` mixes to the exact one."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule
        self._known: dict[float, tuple[Tensor, ...]] = {}

    def _at(self, t: Tensor, x_t: Tensor) -> tuple[Tensor, ...]:
        """alpha, sigma; and of every component the mean, log weight and fall of its density, and line of its v."""
        if t.ndim == 0 and float(t) in self._known:
            return self._known[float(t)]
        alpha, sigma = self.schedule.coefficients(t, x_t.double())
        mean, var = MEANS.view(1, 2, 1, 1), STDS.square().view(1, 2, 1, 1)
        spread = alpha**2 * var + sigma**2
        # v = alpha eps - sigma x0 with eps = sigma off / spread and x0 = mean + alpha var off / spread.
        weights, slope = WEIGHTS.log().view(1, 2, 1, 1) - spread.log() / 2, alpha * sigma * (1 - var) / spread
        found = (alpha, sigma, alpha * mean, weights, -1 / (2 * spread), slope, -sigma * mean)
        if t.ndim == 0:
            self._known[float(t)] = found
        return found

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        known = self._at(t, x_t)
        if x_t.dtype != torch.float64:
            known = tuple(c.to(x_t) for c in known)
        alpha, sigma, center, weights, fall, slope, offset = known
        off = x_t - center
        v = ((weights + fall * off * off).softmax(1) * (slope * off + offset)).sum(1, keepdim=True)
        return Prediction(v, "v", x_t, alpha, sigma, var=torch.full_like(v, 0.1))

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        return _sides(self(x_t, t))


def _sides(whole: Prediction) -> tuple[Prediction, Prediction]:
    def tilted(by: float) -> Prediction:
        return Prediction(whole.value + by * whole.x_t, "v", whole.x_t, whole.alpha, whole.sigma, whole.var)

    return tilted(-SCALE * TILT), tilted(TILT - SCALE * TILT)


class _OnPath:
    """`Exact` that, up to `until`, answers as if asked on the exact path, wherever it is asked."""

    def __init__(self, schedule: NoiseSchedule, start: float, until: float) -> None:
        self._law, self._start, self._until = exact(schedule), start, until

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        return self._law(on_path(self._law.schedule, self._start, float(t)) if float(t) >= self._until else x_t, t)

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        return _sides(self(x_t, t))


@lru_cache
def exact(schedule: NoiseSchedule) -> Exact:
    return Exact(schedule)


@lru_cache(10**5)
def on_path(schedule: NoiseSchedule, start: float, t: float) -> Tensor:
    """`exact.flow` from `starts`: bisection until Newton's method takes over."""
    share = cdf(schedule, starts(schedule, start), start)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    spread = (alpha**2 * STDS**2 + sigma**2).sqrt()
    low, high = torch.full_like(share, -alpha - 4 * float(spread.max())), torch.full_like(share, alpha + 4 * sigma + 4)
    for _ in range(14):
        middle = (low + high) / 2
        under = cdf(schedule, middle, t) < share
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    x = (low + high) / 2
    for _ in range(5):
        z = (x.reshape(-1, 1) - alpha * MEANS) / spread
        density = (WEIGHTS / spread * (-z * z / 2).exp()).sum(1).reshape(x.shape) / (2 * pi) ** 0.5
        x = x - (cdf(schedule, x, t) - share) / density
    return x


def natural(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in log-SNR; on EDM's path, Karras's."""
    even = karras if isinstance(schedule, EDM) else uniform_lam
    return even(schedule, steps, start=0.95, end=float(schedule.t_of_lam(2.5)))


def path_error(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> float:
    """Distance to the exact flow map after `steps` steps, with an exactly started history: what is seen
    in the first `STARTED` steps is what is seen on the exact path, and the first state is chosen so that the state
    after them is on it. That is found by two runs, because those states are affine in the first."""
    grid = natural(schedule, steps)
    path = nodes(schedule, grid)
    s, until, t = path[0].t, path[STARTED].t, path[-1].t
    law, x = _OnPath(schedule, s, until), starts(schedule, s)

    def after(x: Tensor) -> Tensor:
        steps: Iterator = sampler(law, schedule, x, grid)
        for _ in range(STARTED - 1):
            next(steps)
        return next(steps).x

    reached = after(x)
    x = x + (on_path(schedule, s, until) - reached) / (after(x + 1) - reached)
    return float((last(sampler(law, schedule, x, grid)) - on_path(schedule, s, t)).abs().max())


def variance_error(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> float:
    """Error of the sampled variance on N(0, 1/4) without sampling: the last state is linear in the first and in every
    draw, so one run with a batch that tells them apart gives all its coefficients."""
    grid = natural(schedule, steps)
    size = 1 + 4 * steps
    drawn = 0

    def one_each(like: Tensor, s: float, t: float) -> Tensor:
        nonlocal drawn
        drawn += 1
        z = torch.zeros_like(like)
        z[drawn] = 1
        return z

    start, end = ((float(schedule.alpha(t)), float(schedule.sigma(t))) for t in (float(grid[0]), float(grid[-1])))
    x = torch.zeros(size, 1, 1, 1, dtype=torch.float64)
    x[0] = (start[0] ** 2 / 4 + start[1] ** 2) ** 0.5
    found = last(sampler(_gaussian(schedule), schedule, x, grid, noise=one_each))
    assert 0 < drawn < size
    return abs(float(found.square().sum()) - end[0] ** 2 / 4 - end[1] ** 2)


def _gaussian(schedule: NoiseSchedule):
    """The denoiser of N(0, 1/4), which brings half the variance of x0 that there is: with all of it, samplers that use
    it would be exact and have no order."""

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = schedule.coefficients(t, x_t)
        spread = alpha**2 / 4 + sigma**2
        return Prediction(alpha / 4 / spread * x_t, "x0", x_t, alpha, sigma, var=(sigma**2 / 8 / spread).expand_as(x_t))

    return denoise
