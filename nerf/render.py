"""Volume rendering by quadrature, Max 1995 as in NeRF (Mildenhall et al. 2020, arXiv 2003.08934, eq 3).

Plain torch: the reference for `nerf.backends`, which renders a `HashField` on a CPU many times faster. A sample at
distance t stands for a stretch of length `step`: alpha = 1 - exp(-density * step), weight = alpha times the
transmittance in front of it, and a ray ends where its transmittance falls below `stop`.

Dims: V views, H picture size, R = V H^2 rays, S samples.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nerf import backends
from nerf.cameras import Cameras
from nerf.field import Field
from nerf.occupancy import OccupancyGrid, Samples, march
from nerf.shading import Shading, shade, unit

FAINT = 1e-4  # opacity below which depth means nothing
SEEN = 0.02  # opacity from which a normal is worth finding
FRONT, WIDTH, MOST_FOG = 1.5, 0.7, 0.2  # of `surface_normals`; measured on half-trained fields against true normals


@dataclass(frozen=True)
class Picture:
    """Pictures of V views.

    rgb (V, 3, H, H) sRGB in [0, 1]; opacity (V, 1, H, H); depth (V, 1, H, H), the mean distance along the ray of what
    is seen, 0 where nothing is; normal (V, 3, H, H), a detached world-space unit vector, 0 where nothing is;
    spread (V, 1, H, H), the variance of that distance, which is what a regularizer against fog wants to be small.
    """

    rgb: Tensor
    opacity: Tensor
    depth: Tensor
    normal: Tensor
    spread: Tensor | None = None


class Scene(Protocol):
    """Anything that can be photographed, differentiably with respect to what it is made of."""

    def render(
        self,
        views: Cameras,
        size: int,
        *,
        background: Tensor,
        shading: Shading = "albedo",
        generator: torch.Generator | None = None,
    ) -> Picture:
        """`background` is (3,) or one color a view (V, 3). Without a `generator` nothing is random."""
        ...


def integrate(
    field: Field, origins: Tensor, directions: Tensor, samples: Samples, *, step: float, stop: float
) -> Tensor:
    """Weighted sums along R rays (R, 3) over their samples, (6, R): albedo (3), 1, t and t^2.

    The row of ones is the opacity. A sample counts where the transmittance in front of it is at least `stop`.
    """
    count, ray, t = len(origins), samples.ray, samples.t
    density, albedo = field.query(origins[ray] + t[:, None] * directions[ray])
    passed = backends.transmittance(density * step, samples)
    weight = torch.where(passed >= stop, passed * -torch.expm1(-density * step), 0)
    values = torch.cat([albedo, torch.ones_like(t)[:, None], t[:, None], t[:, None] ** 2], -1)
    return torch.zeros(count, 6, dtype=density.dtype, device=t.device).index_add(0, ray, weight[:, None] * values).T


def transmittance(optical: Tensor, samples: Samples) -> Tensor:
    """The share of light (S,) that reaches each sample through the optical depths (S,) of those in front of it."""
    place = torch.arange(len(optical), device=optical.device) - samples.starts[samples.ray]
    longest = int(samples.starts.diff().max()) if len(optical) else 0
    table = optical.new_zeros(len(samples.starts) - 1, longest).index_put((samples.ray, place), optical)
    return torch.exp(table - table.cumsum(-1))[samples.ray, place]


@torch.no_grad()
def surface_normals(
    field: Field, origins: Tensor, directions: Tensor, depth: Tensor, spread: Tensor, *, radius: float, step: float
) -> Tensor:
    """Outward unit normals (n, 3) of what n rays (n, 3) see at a mean distance `depth` (n,) of variance `spread` (n,).

    Central differences of alpha = 1 - exp(-density * step), not of the density: inside an opaque body densities vary
    wildly and mean nothing. While a field is still fog the mean distance lies deep inside it, where alpha is noise; so
    the differences are taken FRONT standard deviations before it, and WIDTH of these wide, but at least `radius`.
    Where alpha is flat the normal faces the eye.
    """
    deviation = spread.clamp_min(0).sqrt().clamp_max(MOST_FOG)
    points = origins + (depth - FRONT * deviation)[:, None] * directions
    reach = (WIDTH * deviation).clamp_min(radius)[:, None, None]
    axes = torch.eye(3, dtype=points.dtype, device=points.device)
    stencil = points[:, None] + reach * torch.cat([axes, -axes])
    passed = torch.exp(-step * field.density(stencil.reshape(-1, 3))).reshape(-1, 2, 3)
    return unit(passed[:, 0] - passed[:, 1], -directions)


def trace(
    field: Field, origins: Tensor, directions: Tensor, offset: Tensor, occupied: Tensor, *, step: float, stop: float
) -> Tensor:
    """`integrate` over the samples that `march` finds."""
    samples = march(origins, directions, offset, step, occupied)
    return integrate(field, origins, directions, samples, step=step, stop=stop)


class VolumeScene(nn.Module):
    """A field seen by volume rendering through an occupancy grid; its state_dict is all that a checkpoint needs.

    `step` is the distance between samples, `stop` the transmittance at which a ray ends, `normal_radius` the least
    distance over which a normal is taken. Call `refresh` now and then while training.
    """

    def __init__(
        self,
        field: Field,
        *,
        occupancy: OccupancyGrid | None = None,
        step: float = 0.03,
        stop: float = 1e-3,
        normal_radius: float = 0.02,
    ) -> None:
        super().__init__()
        if not 1e-3 <= step <= 0.5:
            raise ValueError(f"a sampling step must lie in 0.001..0.5 (the box is 2 wide), got {step}; 0.03 is usual")
        if not isinstance(field, nn.Module):
            raise TypeError(f"a scene needs a field that is a torch module, got {type(field).__name__}")
        self.field: Field = field
        self.occupancy = occupancy or OccupancyGrid()
        self.step, self.stop, self.normal_radius = step, stop, normal_radius

    def refresh(self, generator: torch.Generator) -> None:
        """Bring the occupancy grid up to date with the field: before the first step and every 16 or so."""
        self.occupancy.refresh(self.field.density, generator)

    def render(
        self,
        views: Cameras,
        size: int,
        *,
        background: Tensor,
        shading: Shading = "albedo",
        generator: torch.Generator | None = None,
    ) -> Picture:
        device = self.occupancy.occupied.device
        count = len(views)
        origins, directions = (x.reshape(-1, 3) for x in views.to(device).rays(size))
        offset = torch.full((len(origins),), 0.5) if generator is None else _jitter(len(origins), generator)
        sums = backends.trace(
            self.field,
            origins,
            directions,
            offset.to(origins),
            self.occupancy.occupied,
            step=self.step,
            stop=self.stop,
        )
        albedo, opacity, first, second = sums.split([3, 1, 1, 1])
        safe = opacity.clamp_min(FAINT)
        depth = first / safe
        spread = second / safe - depth * depth
        normal = self._normals(origins, directions, *(x.detach()[0] for x in (opacity, depth, spread)))
        color = shade(shading, albedo, opacity, normal, directions.T)
        behind = background.to(color).expand(count, 3).T.repeat_interleave(size * size, 1)
        rows = (color + (1 - opacity) * behind, opacity, depth, normal, spread * (opacity.detach() > FAINT))
        return Picture(*(r.reshape(len(r), count, size, size).transpose(0, 1) for r in rows))

    def _normals(self, origins: Tensor, directions: Tensor, opacity: Tensor, depth: Tensor, spread: Tensor) -> Tensor:
        seen = (opacity > SEEN).nonzero()[:, 0]
        rays = (x[seen] for x in (origins, directions, depth, spread))
        found = surface_normals(self.field, *rays, radius=self.normal_radius, step=self.step)
        return torch.zeros_like(directions).index_copy(0, seen, found).T


def _jitter(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator)
