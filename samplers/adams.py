"""Exponential Adams: the probability-flow ODE with its linear part exact and a reading of the network a polynomial.

Along the flow d(x / sigma) = x0hat d(alpha / sigma) and d(x / alpha) = epshat d(sigma / alpha) (Lu et al. 2022,
2206.00927 and 2211.01095; Zhang and Chen 2022, 2204.13902). With lam = log(alpha / sigma), a step from s to t is

    x_t = (sigma_t / sigma_s) x_s + alpha_t * integral of e^(lam - lam_t) x0hat dlam         (of = "x0")
    x_t = (alpha_t / alpha_s) x_s - sigma_t * integral of e^(lam_t - lam) epshat dlam        (of = "eps")

from lam_s to lam_t. A constant reading is DDIM in both; a polynomial through past nodes a multistep method; one through
nodes inside the step a Runge-Kutta method; one through t itself a corrector. With eta > 0 it is the mean of a step of
the reverse SDE whose noise has eta times the full rate: both integrals count 1 + eta times, and x keeps
(sigma_t / sigma_s) e^(-eta h) of itself in the first.
"""

from collections.abc import Callable, Sequence
from math import factorial, isfinite
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from samplers.grids import Node
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)

Of = Literal["x0", "eps"]
"""The reading of the network that a polynomial goes through."""


class Seen(NamedTuple):
    """What a method keeps of one call: where it was, the denoised sample, and the reading that it interpolates."""

    node: Node
    x0: Tensor
    value: Tensor


def seen(prediction: Prediction, node: Node, of: Of) -> Seen:
    x0 = prediction.x0
    return Seen(node, x0, x0 if of == "x0" else prediction.eps)


def transfer(x: Tensor, x0: Tensor, s: Node, t: Node, eta: float = 0.0) -> Tensor:
    """The step with x0hat constant; finite where alpha_s = 0 and where sigma_t = 0."""
    ratio = t.sigma / s.sigma
    if eta:
        ratio *= (s.alpha * t.sigma / (t.alpha * s.sigma)) ** eta
    return ratio * x + (t.alpha - s.alpha * ratio) * x0


def shift(x: Tensor, eps: Tensor, s: Node, t: Node) -> Tensor:
    """The step with epshat constant, for any `eps`: finite where sigma_t = 0, not where alpha_s = 0."""
    ratio = t.alpha / s.alpha
    return ratio * x + (t.sigma - s.sigma * ratio) * eps


def hold(x: Tensor, here: Seen, t: Node, *, of: Of = "x0", eta: float = 0.0) -> Tensor:
    """The step with the reading constant at `here.value`, or with x0hat constant where lam is infinite at an end."""
    s = here.node
    if not (isfinite(s.lam) and isfinite(t.lam)):
        return transfer(x, here.x0, s, t, eta)
    if of == "x0":
        return transfer(x, here.value, s, t, eta)
    return shift(x, (1 + eta) * here.value, s, t)


def adams(
    x: Tensor,
    history: Sequence[Seen],
    t: Node,
    *,
    of: Of = "x0",
    eta: float = 0.0,
    clock: NoiseSchedule | None = None,
) -> Tensor:
    """The step to `t` with the reading a polynomial in lam through `history`, whose first entry is at s; in t with a
    `clock`, the schedule that tells t from lam. Order len(history). Drops nodes of infinite lam, and to order 1 where
    lam is infinite at s or t.
    """
    history = usable(history, t)
    if len(history) == 1:
        return hold(x, history[0], t, of=of, eta=eta)
    s = history[0].node
    if clock is None:
        places, place = [past.node.lam for past in history], None
    else:
        places, place = [past.node.t for past in history], _times(clock)
    rate = 1 + eta if of == "x0" else -1.0
    weights = polynomial_weights(places, s.lam, t.lam, rate=rate, place=place)
    if of == "x0":
        ratio, scale = t.sigma / s.sigma * np.exp(-eta * (t.lam - s.lam)), (1 + eta) * t.alpha
    else:
        ratio, scale = t.alpha / s.alpha, -(1 + eta) * t.sigma
    x_t = float(ratio) * x
    for weight, past in zip(weights, history, strict=True):
        x_t = x_t + scale * weight * past.value
    return x_t


def usable(history: Sequence[Seen], t: Node) -> list[Seen]:
    """The entries that a polynomial in lam can go through."""
    if not (isfinite(history[0].node.lam) and isfinite(t.lam)):
        return [history[0]]
    return [past for past in history if isfinite(past.node.lam)]


def _times(schedule: NoiseSchedule) -> Callable[[np.ndarray], np.ndarray]:
    return lambda lam: schedule.t_of_lam(torch.as_tensor(lam)).numpy()


def polynomial_weights(
    past: Sequence[float],
    start: float,
    end: float,
    *,
    rate: float = 1.0,
    place: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[float]:
    """Integrals of e^(rate (lam - end)) l_j(lam) from `start` to `end`, l_j the Lagrange basis on the nodes `past`; of
    l_j(place(lam)) where the nodes are places on another axis.

    By quadrature: the closed form is a recursion that loses digits on short steps.
    """
    lam = start + (end - start) * (POINTS + 1) / 2
    scale = np.exp(rate * (lam - end)) * WEIGHTS * (end - start) / 2
    at = lam if place is None else place(lam)
    basis = [np.prod([(at - other) / (node - other) for other in past if other != node], axis=0) for node in past]
    return [float((scale * values).sum()) for values in basis]


def moment(power: int, h: float, rate: float) -> float:
    """The integral of e^(rate (lam - h)) (lam / h)^power / power! from 0 to `h`: h phi_(power + 1) (-rate h) of the
    papers, up to signs."""
    u = (POINTS + 1) / 2
    return float((np.exp(rate * h * (u - 1)) * u**power * WEIGHTS).sum() * h / 2 / factorial(power))


def node_at(schedule: NoiseSchedule, t: float) -> Node:
    """The schedule at one time."""
    return Node(t, float(schedule.alpha(t)), float(schedule.sigma(t)), float(schedule.lam(t)))


def inside(schedule: NoiseSchedule, s: Node, t: Node, share: float) -> Node:
    """The node at that share of the way from s to t in lam; lam must be finite at both."""
    return node_at(schedule, float(schedule.t_of_lam(s.lam + share * (t.lam - s.lam))))


def rates(schedule: NoiseSchedule, t: float | Tensor) -> tuple[Tensor, Tensor]:
    """d alpha / dt and d sigma / dt in float64 on the host, in the shape of `t`."""
    at = torch.as_tensor(t, dtype=torch.float64).detach().cpu()
    with torch.enable_grad():
        at = at.clone().requires_grad_()
        alpha, sigma = schedule.alpha(at), schedule.sigma(at)
        rising = torch.autograd.grad(alpha.sum(), at, allow_unused=True)[0] if alpha.requires_grad else None
        (falling,) = torch.autograd.grad(sigma.sum(), at)
    return (torch.zeros_like(at) if rising is None else rising).detach(), falling.detach()


BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def bashforth(history: Sequence[Tensor]) -> Tensor:
    """The mean over the next step of what has been seen at one to four equal steps, newest first."""
    weights = BASHFORTH[len(history) - 1]
    total = weights[0] * history[0]
    for weight, past in zip(weights[1:], history[1:], strict=True):
        total = total + weight * past
    return total
