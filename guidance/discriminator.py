"""Discriminator guidance: a teacher's score corrected by what tells its samples from the data."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from samplers.prediction import Prediction
from samplers.types import Denoiser

Discriminator = Callable[[Tensor, Tensor], Tensor]
"""(x_t (b, ...), t) -> log(d / (1 - d)), (b,): the logit of being data rather than a sample of the teacher's.

It takes x_t as the sampler has it; whatever scale it gives its network is inside, so that the gradient counts it.
"""


@dataclass(frozen=True, eq=False)
class DiscriminatorGuided:
    """Discriminator guidance, Kim et al. 2022, 2211.17091, eq 8: eps - weight sigma grad log(d / (1 - d)).

    With the optimal discriminator between the data and what the denoiser thinks they are, and weight 1, the score is
    that of the data. One more gradient, of the discriminator alone, in every call; the network is not differentiated.
    Where alpha is 0 both laws are the same noise, and the prediction stays.
    """

    denoise: Denoiser
    discriminator: Discriminator
    weight: float = 1.0

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        found = self.denoise(x_t, t)
        alpha, sigma = found.alpha, found.sigma
        # What a change of eps by -weight sigma grad does to x0 = (x_t - sigma eps) / alpha. The other readings follow.
        change = torch.where(alpha > 0, self.weight * sigma**2 / alpha.clamp_min(torch.finfo(alpha.dtype).tiny), 0.0)
        corrected = Prediction(found.x0 + change * self._gradient(x_t, t), "x0", x_t, alpha, sigma)
        return replace(corrected, value=corrected.read(found.kind), kind=found.kind, var=found.var)

    def _gradient(self, x_t: Tensor, t: Tensor) -> Tensor:
        """grad log(d / (1 - d)) at x_t; samples do not see each other."""
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.discriminator(x, t).sum(), x)
        return gradient
