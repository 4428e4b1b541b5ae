"""Where a field is not empty, and the samples along rays that fall there. Plain torch: the reference.

The grid keeps, per cell of the box [-1, 1]^3, a decaying maximum of densities seen in it (Mueller et al. 2022, arXiv
2201.05989, appendix E.2). Marching visits the points near + (k + offset) * step of a ray, one offset a ray, and keeps
those in occupied cells, packed: samples of one ray lie together, near to far.

Dims: R rays, S samples, G cells an axis, K steps on the longest ray.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIPES = 4  # after the warm-up a refresh touches every fourth cell
TINY = 1e-9  # direction components below this count as this


@dataclass(frozen=True)
class Samples:
    """Packed samples: distances `t` (S,), their ray (S,) int64, and where each ray's begin, `starts` (R + 1,) int64."""

    t: Tensor
    ray: Tensor
    starts: Tensor


def box_interval(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (R,) at which rays (R, 3) enter and leave the box; a ray that misses it has near >= far."""
    inverse = 1 / torch.where(directions.abs() < TINY, TINY, directions)
    low, high = (-1 - origins) * inverse, (1 - origins) * inverse
    near = torch.minimum(low, high).amax(-1).clamp_min(0)
    return near, torch.maximum(low, high).amin(-1)


def cell_of(points: Tensor, resolution: int) -> Tensor:
    """Flat cell index, int64, of points (..., 3); those outside the box count to the nearest cell."""
    x, y, z = ((points + 1) * (0.5 * resolution)).long().clamp(0, resolution - 1).unbind(-1)
    return (x * resolution + y) * resolution + z


def march(origins: Tensor, directions: Tensor, offset: Tensor, step: float, occupied: Tensor) -> Samples:
    """The samples of rays (R, 3) in occupied cells.

    `offset` (R,) in [0, 1) shifts a ray's samples by that part of a `step`; `occupied` is (G^3,) bool.
    """
    resolution = round(occupied.numel() ** (1 / 3))
    near, far = box_interval(origins, directions)
    steps = math.ceil(2 * math.sqrt(3) / step) + 1
    t = near[:, None] + (torch.arange(steps, device=near.device) + offset[:, None]) * step
    points = origins[:, None] + t[..., None] * directions[:, None]
    keep = (t < far[:, None]) & occupied[cell_of(points, resolution)]
    ray, k = keep.nonzero(as_tuple=True)
    starts = functional.pad(keep.sum(-1).cumsum(0), (1, 0))
    return Samples(t[ray, k], ray, starts)


class OccupancyGrid(nn.Module):
    """G^3 cells; all occupied until the first refresh. Everything it learned is in its state_dict.

    A cell is occupied where its density, or a neighbor's, exceeds `threshold` or the mean over all cells, whichever
    is smaller: the neighbor because a cell is judged by single points, the mean so that a faint field stays visible.
    """

    def __init__(self, resolution: int = 32, *, threshold: float = 0.3, decay: float = 0.8, warmup: int = 4) -> None:
        super().__init__()
        if not 4 <= resolution <= 256:
            raise ValueError(f"an occupancy grid needs a resolution in 4..256, got {resolution}; 32 is usual")
        self.resolution, self.threshold, self.decay, self.warmup = resolution, threshold, decay, warmup
        self.density: Tensor
        self.occupied: Tensor
        self.register_buffer("density", torch.zeros(resolution**3))
        self.register_buffer("occupied", torch.ones(resolution**3, dtype=torch.bool))
        self.refreshes = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.refreshes)

    def set_extra_state(self, state: Tensor) -> None:
        self.refreshes = int(state)

    @torch.no_grad()
    def refresh(self, density: Callable[[Tensor], Tensor], generator: torch.Generator) -> None:
        """Look at `density` at one random point in every cell, or after the warm-up in every fourth one in turn."""
        device, g = self.density.device, self.resolution
        stripes = 1 if self.refreshes < self.warmup else STRIPES
        cells = torch.arange(self.refreshes % stripes, g**3, stripes, device=device)
        corner = torch.stack([cells // (g * g), cells // g % g, cells % g], -1)
        inside = torch.rand(corner.shape, generator=generator).to(device)
        seen = density((corner + inside) * (2 / g) - 1)
        self.density[cells] = torch.maximum(self.density[cells] * self.decay, seen.float())
        level = self.density.mean().clamp_max(self.threshold)
        widened = functional.max_pool3d(self.density.reshape(1, g, g, g), 3, stride=1, padding=1)
        self.occupied.copy_(widened.reshape(-1) > level)
        self.refreshes += 1
