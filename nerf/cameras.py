"""Pinhole cameras that look at the origin: poses, rays, and draws from a teacher's camera law.

World: y up, right-handed, assets inside the box [-1, 1]^3 and facing +z. Azimuth 0 puts the camera at +z, positive
azimuth moves it toward +x. Camera space looks down -z with y up (OpenGL). Angles are radians, `fov` is vertical and
pictures are square.
"""

import math
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor


class CameraRanges(Protocol):
    """What `draw` needs of a camera law: inclusive (low, high) pairs, angles in radians."""

    @property
    def azimuth(self) -> tuple[float, float]: ...
    @property
    def elevation(self) -> tuple[float, float]: ...
    @property
    def distance(self) -> tuple[float, float]: ...
    @property
    def fov(self) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Cameras:
    """V cameras looking at the origin; every field has shape (V,)."""

    azimuth: Tensor
    elevation: Tensor
    distance: Tensor
    fov: Tensor

    def __post_init__(self) -> None:
        shapes = {f.name: tuple(getattr(self, f.name).shape) for f in fields(self)}
        if len(set(shapes.values())) != 1 or self.azimuth.ndim != 1:
            raise ValueError(f"cameras need four equally long 1-D tensors, got {shapes}")

    def __len__(self) -> int:
        return self.azimuth.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Cameras":
        return Cameras(self.azimuth[index], self.elevation[index], self.distance[index], self.fov[index])

    def to(self, device: torch.device | str) -> "Cameras":
        return Cameras(*(getattr(self, f.name).to(device) for f in fields(self)))

    @property
    def position(self) -> Tensor:
        """Camera centers, (V, 3)."""
        across = self.distance * self.elevation.cos()
        return torch.stack(
            [across * self.azimuth.sin(), self.distance * self.elevation.sin(), across * self.azimuth.cos()], -1
        )

    @property
    def c2w(self) -> Tensor:
        """Camera-to-world matrices, (V, 4, 4); columns are right, up, backward, center."""
        sa, ca, se, ce = self.azimuth.sin(), self.azimuth.cos(), self.elevation.sin(), self.elevation.cos()
        zero, one = torch.zeros_like(sa), torch.ones_like(sa)
        right = torch.stack([ca, zero, -sa, zero], -1)
        up = torch.stack([-se * sa, ce, -se * ca, zero], -1)
        back = torch.stack([ce * sa, se, ce * ca, zero], -1)
        center = torch.cat([self.position, one[:, None]], -1)
        return torch.stack([right, up, back, center], -1)

    def rays(self, size: int) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the pixel centers, each (V, size, size, 3), row 0 at the top."""
        pixel = (torch.arange(size, device=self.fov.device, dtype=self.fov.dtype) + 0.5) / size * 2 - 1
        half = (self.fov / 2).tan()[:, None, None]
        x = pixel[None, None, :] * half.expand(-1, size, -1)
        y = -pixel[None, :, None] * half.expand(-1, -1, size)
        local = torch.stack([x, y, -torch.ones_like(x)], -1)
        directions = torch.einsum("vij,vhwj->vhwi", self.c2w[:, :3, :3], local)
        directions = directions / directions.norm(dim=-1, keepdim=True)
        return self.position[:, None, None, :].expand_as(directions), directions


def draw(law: CameraRanges, count: int, generator: torch.Generator, *, spread: bool = True) -> Cameras:
    """`count` cameras from `law`, uniform in every range.

    With `spread` the azimuth range is split into `count` equal sectors with one camera in each, so that a batch of
    views surrounds the object (the stratification that text-to-3D systems use against one-sided steps).
    """

    def uniform(low_high: tuple[float, float]) -> Tensor:
        low, high = low_high
        return low + (high - low) * torch.rand(count, generator=generator)

    azimuth = uniform(law.azimuth)
    if spread:
        low, high = law.azimuth
        offset = torch.rand(1, generator=generator) if math.isclose(high - low, 2 * math.pi, rel_tol=1e-6) else 0.0
        sector = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        azimuth = low + (high - low) * ((sector + offset) % 1.0)
    return Cameras(azimuth, uniform(law.elevation), uniform(law.distance), uniform(law.fov))


def draw_rings(law: CameraRanges, count: int, together: int, generator: torch.Generator) -> Cameras:
    """`count` cameras from `law` in rings of `together` neighbors: evenly around the object from a random azimuth, at
    one elevation, distance and field of view each. ValueError where `count` is no multiple of `together`."""
    if count < 1 or count % together:
        raise ValueError(
            f"this teacher looks at {together} views together: views must be a multiple of that, got {count}"
        )
    rings = count // together
    each = torch.rand(4, rings, generator=generator)
    ranges = (law.elevation, law.distance, law.fov)
    shared = [low + (high - low) * share for (low, high), share in zip(ranges, each[1:], strict=True)]
    around = torch.arange(together).repeat(rings) * (2 * math.pi / together)
    azimuth = 2 * math.pi * each[0].repeat_interleave(together) + around
    return Cameras(azimuth, *(value.repeat_interleave(together) for value in shared))


def orbit(count: int, *, elevation: float, distance: float, fov: float) -> Cameras:
    """`count` cameras evenly spaced around the object, the first one in front (azimuth 0)."""
    azimuth = torch.arange(count) * (2 * math.pi / count)
    return Cameras(*(azimuth if v is None else torch.full((count,), v) for v in (None, elevation, distance, fov)))
