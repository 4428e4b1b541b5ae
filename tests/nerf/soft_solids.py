"""Analytic density fields with soft boundaries, and their volume renders by brute force: ground truth for meshes."""

from collections.abc import Callable

import torch
from torch import Tensor

from nerf.cameras import Cameras, orbit

Distance = Callable[[Tensor], Tensor]


def sphere(radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Distance:
    return lambda p: (p - torch.tensor(center)).norm(dim=-1) - radius


def box(half: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Distance:
    def distance(points: Tensor) -> Tensor:
        q = (points - torch.tensor(center)).abs() - torch.tensor(half)
        return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0)

    return distance


def leg(radius: float) -> Distance:
    """An upright cylinder of height 1.2 on the axis."""
    return lambda p: torch.maximum((p[:, 0] ** 2 + p[:, 2] ** 2).sqrt() - radius, p[:, 1].abs() - 0.6)


def union(*distances: Distance) -> Distance:
    return lambda p: torch.stack([d(p) for d in distances]).amin(0)


def soft(distance: Distance, strength: float = 200.0, width: float = 0.01) -> Callable[[Tensor], Tensor]:
    """Density `strength` inside, falling to 0 over about `width` around the surface."""
    return lambda p: strength * torch.sigmoid(-distance(p) / width)


def ring(views: int = 4) -> Cameras:
    return orbit(views, elevation=0.3, distance=3.2, fov=0.7)


def weights(density: Callable[[Tensor], Tensor], cameras: Cameras, size: int, samples: int = 300) -> tuple:
    """Rendering weights (V, size, size, samples) of every ray at points (V, size, size, samples, 3)."""
    origins, directions = cameras.rays(size)
    t = torch.linspace(1.4, 5.0, samples)
    points = origins[..., None, :] + t[:, None] * directions[..., None, :]
    inside = (points.abs() <= 1).all(-1)
    thickness = density(points.reshape(-1, 3)).reshape(inside.shape) * inside * (t[1] - t[0])
    transmitted = torch.exp(thickness - thickness.cumsum(-1))
    return transmitted * -torch.expm1(-thickness), points


def opacity(density: Callable[[Tensor], Tensor], cameras: Cameras, size: int) -> Tensor:
    """(V, 1, size, size)."""
    return weights(density, cameras, size)[0].sum(-1)[:, None]


def unlit(density: Callable, albedo: Callable, cameras: Cameras, size: int) -> Tensor:
    """Albedo pictures over white, (V, 3, size, size)."""
    weight, points = weights(density, cameras, size)
    color = albedo(points.reshape(-1, 3)).reshape(points.shape)
    rgb = (weight[..., None] * color).sum(-2) + 1 - weight.sum(-1)[..., None]
    return rgb.permute(0, 3, 1, 2)
