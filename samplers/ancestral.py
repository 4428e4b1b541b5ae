"""The step of DDPM and DDIM with a variance of x0: what Analytic-DPM and learned covariances share."""

from math import sqrt

from torch import Tensor

from samplers.grids import Node
from samplers.noise import Noise


def ancestral(x: Tensor, x0: Tensor, s: Node, t: Node, eta: float, variance: float | Tensor, noise: Noise) -> Tensor:
    """The step from s to t where x0, known up to `variance` (one number, or like x), is drawn anew.

    The reverse transition of an uncertain x0 (Bao et al. 2022, 2201.06503, eq 6): with the variance
    w^2 = eta^2 sigma_t^2 (1 - (alpha_s sigma_t / (alpha_t sigma_s))^2) of DDIM's family,

        mean k x + m x0,  variance w^2 + m^2 variance,  k = sqrt(sigma_t^2 - w^2) / sigma_s,  m = alpha_t - alpha_s k.

    eta = 1 is the form for DDPM (there m = beta alpha_t / sigma_s^2, on every path), 0 the one for DDIM. The last
    step, to sigma_t = 0, answers x0 itself and draws nothing.
    """
    if t.sigma == 0:
        return t.alpha * x0
    fresh = eta**2 * t.sigma**2 * (1 - (s.alpha * t.sigma / (t.alpha * s.sigma)) ** 2)
    kept = sqrt(max(t.sigma**2 - fresh, 0.0)) / s.sigma
    moved = t.alpha - s.alpha * kept
    spread = fresh + moved**2 * variance
    root = spread.sqrt() if isinstance(spread, Tensor) else sqrt(spread)
    return kept * x + moved * x0 + root * noise(x, s.t, t.t)
