"""Exponential Adams: the probability-flow ODE with its linear part exact and the denoised sample extrapolated in lam.

Along the flow d(x / sigma) = x0hat d(alpha / sigma) (Lu et al. 2022, 2211.01095), so a step from s to t is

    x_t = (sigma_t / sigma_s) x_s + sigma_t * integral of e^lam x0hat(lam) from lam_s to lam_t.

With x0hat constant this is DDIM; with a polynomial through past nodes, a multistep method of that many nodes.
"""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from torch import Tensor

from samplers.grids import Node

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)


def transfer(x: Tensor, x0: Tensor, s: Node, t: Node) -> Tensor:
    """The step with x0hat constant; finite where alpha_s = 0 and where sigma_t = 0."""
    ratio = t.sigma / s.sigma
    return ratio * x + (t.alpha - s.alpha * ratio) * x0


def adams(x: Tensor, history: Sequence[tuple[Node, Tensor]], t: Node) -> Tensor:
    """The step to `t` with x0hat a polynomial in lam through `history`, newest (at s) first; order len(history).

    Drops to order 1 where lam is infinite at a node.
    """
    s, x0 = history[0]
    if len(history) == 1 or not all(isfinite(node.lam) for node in (t, *(node for node, _ in history))):
        return transfer(x, x0, s, t)
    weights = polynomial_weights([node.lam for node, _ in history], s.lam, t.lam)
    x_t = (t.sigma / s.sigma) * x
    for weight, (_, past) in zip(weights, history, strict=True):
        x_t = x_t + t.alpha * weight * past
    return x_t


def polynomial_weights(past: Sequence[float], start: float, end: float) -> list[float]:
    """Integrals of e^(lam - end) l_j(lam) from `start` to `end`, l_j the Lagrange basis on the nodes `past`.

    By quadrature: the closed form is a recursion that loses digits on short steps.
    """
    lam = start + (end - start) * (POINTS + 1) / 2
    scale = np.exp(lam - end) * WEIGHTS * (end - start) / 2
    basis = [np.prod([(lam - other) / (node - other) for other in past if other != node], axis=0) for node in past]
    return [float((scale * values).sum()) for values in basis]
