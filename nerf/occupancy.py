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

STRIPES = 8  # after the warm-up a refresh looks into every eighth empty cell
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
    A density that is no longer seen fades by `decay` a look.
    """

    def __init__(self, resolution: int = 64, *, threshold: float = 0.3, decay: float = 0.5, warmup: int = 2) -> None:
        super().__init__()
        if not 4 <= resolution <= 256:
            raise ValueError(f"an occupancy grid needs a resolution in 4..256, got {resolution}; 64 is usual")
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
        """Look at `density` at one random point in every cell; after the warm-up, in the occupied ones and in turn in
        one of every STRIPES others."""
        g, every = self.resolution, torch.arange(self.resolution**3, device=self.density.device)
        if self.refreshes >= self.warmup:
            every = every[self.occupied | (every % STRIPES == self.refreshes % STRIPES)]
        corner = torch.stack([every // (g * g), every // g % g, every % g], -1)
        inside = torch.rand(corner.shape, generator=generator).to(every.device)
        seen = density((corner + inside) * (2 / g) - 1)
        self.density[every] = torch.maximum(self.density[every] * self.decay, seen.float())
        level = self.density.mean().clamp_max(self.threshold)
        self.occupied.copy_(widened((self.density > level).reshape(g, g, g)).reshape(-1))
        self.refreshes += 1


def widened(cells: Tensor) -> Tensor:
    """Boolean `cells` (G, G, G) and all that touch them, at corners too."""
    for axis in range(3):
        low, high = cells.narrow(axis, 0, cells.shape[axis] - 1), cells.narrow(axis, 1, cells.shape[axis] - 1)
        cells = cells.clone()
        cells.narrow(axis, 1, high.shape[axis]).logical_or_(low)
        cells.narrow(axis, 0, low.shape[axis]).logical_or_(high)
    return cells
