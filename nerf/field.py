"""Fields: a density and an albedo at every point of the box [-1, 1]^3.

`HashField` is a multiresolution hash grid read by one small network, as in instant-ngp (Mueller et al. 2022, arXiv
2201.05989), with a soft ball in the density to start from, as DreamFusion (Poole et al. 2022, arXiv 2209.14988) does.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nerf import backends
from nerf.encoding import HashGrid

OUTPUTS = 4  # density, then red, green, blue


class Field(Protocol):
    """Density (n,) per unit length and sRGB albedo (n, 3) in [0, 1] at points (n, 3) of the box."""

    def density(self, points: Tensor) -> Tensor: ...

    def albedo(self, points: Tensor) -> Tensor: ...

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Both at once."""
        ...


@dataclass(frozen=True)
class Blob:
    """What a fresh field is: gain softplus(strength (1 - |x| / radius)), a soft ball that training carves and grows.

    The linear form is Magic3D's (Lin et al. 2022, arXiv 2211.10440), commonly with strength 10. A gain above 1 lets a
    body become opaque in fewer steps; a far larger one (30) left bodies porous. A blob of strength 5 kept the hole of a
    torus closed: what is dense at the start must be unlearned.
    """

    strength: float = 2.0
    radius: float = 0.5
    gain: float = 5.0

    def __post_init__(self) -> None:
        if not (self.radius > 0 and self.gain > 0):
            raise ValueError(f"the initial blob needs a positive radius and gain, got {self.radius} and {self.gain}")

    def __call__(self, points: Tensor) -> Tensor:
        """What is added to the network's density before softplus at points (n, 3): (n,)."""
        return self.strength * (1 - points.norm(dim=-1) / self.radius)


class HashField(nn.Module):
    """Hash grid -> `hidden` rectified units -> density through softplus, albedo through a sigmoid.

    `active_levels` (saved with the weights) is the number of levels in use; recipes raise it while training.
    """

    def __init__(
        self,
        grid: HashGrid | None = None,
        *,
        hidden: int = 32,
        blob: Blob | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.grid = grid or HashGrid()
        self.blob = blob or Blob()
        self.active_levels = self.grid.levels
        self.table = nn.Parameter(self.grid.table(generator))
        self.hidden_weight = nn.Parameter(_uniform((hidden, self.grid.width), self.grid.width, generator))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.out_weight = nn.Parameter(_uniform((OUTPUTS, hidden), hidden, generator))
        self.out_bias = nn.Parameter(torch.zeros(OUTPUTS))

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.active_levels)

    def set_extra_state(self, state: Tensor) -> None:
        self.active_levels = int(state)

    @property
    def network(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The small network: hidden weight and bias, output weight and bias."""
        return self.hidden_weight, self.hidden_bias, self.out_weight, self.out_bias

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        fast = backends.query(self, points, OUTPUTS)
        if fast is not None:
            return fast[0], fast[1:].T
        unit = (points * 0.5 + 0.5).clamp(0, 1)
        features = backends.encode(unit, self.table, self.grid, self.active_levels)
        raw = functional.linear(functional.linear(features, *self.network[:2]).relu(), *self.network[2:])
        return self.blob.gain * functional.softplus(raw[:, 0] + self.blob(points)), raw[:, 1:].sigmoid()

    def density(self, points: Tensor) -> Tensor:
        fast = backends.query(self, points, 1)
        return self.query(points)[0] if fast is None else fast[0]

    def albedo(self, points: Tensor) -> Tensor:
        return self.query(points)[1]


def _uniform(shape: tuple[int, int], fan_in: int, generator: torch.Generator) -> Tensor:
    """He's uniform initialization (arXiv 1502.01852, eq 10)."""
    bound = math.sqrt(6 / fan_in)
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
