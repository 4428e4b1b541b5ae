"""From albedo to color: the project's one head-light, and the looks without it.

Shading is deferred: one normal a ray, where the ray meets the surface, lights the ray's composited albedo. Normals
enter detached, so that the light never bends the shape (no double backward).
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from nerf.solids import AMBIENT, DIFFUSE

Shading = Literal["albedo", "headlight", "normal", "textureless"]
SHADINGS: tuple[Shading, ...] = get_args(Shading)
PAINT = 0.8  # the gray of the textureless look


def shade(mode: Shading, albedo: Tensor, opacity: Tensor, normal: Tensor, directions: Tensor) -> Tensor:
    """Color (3, R) in front of black of R rays with directions (3, R).

    `albedo` (3, R) is composited, so already weighted by `opacity` (1, R); `normal` (3, R) is a unit vector, or zero
    where there is no surface.
    """
    if mode == "albedo":
        return albedo
    if mode == "normal":
        return (normal * 0.5 + 0.5) * opacity
    light = AMBIENT + DIFFUSE * (normal * directions).sum(0, keepdim=True).neg().clamp_min(0)
    if mode == "headlight":
        return albedo * light
    if mode == "textureless":
        return (opacity * light * PAINT).expand_as(albedo)
    raise ValueError(f"unknown shading {mode!r}; choose one of {', '.join(SHADINGS)}")


def unit(vectors: Tensor, fallback: Tensor) -> Tensor:
    """`vectors` (n, 3) at length 1; where one is as good as zero, `fallback` (n, 3)."""
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-6, vectors / length.clamp_min(1e-6), fallback)
