"""Rays of camera rows: where the cells of a picture look, and how far that is inside the unit ball.

The same geometry as `nerf.cameras` (y up, azimuth 0 at +z, row 0 at the top), in a form for networks: a camera is a row
(azimuth, elevation, distance, fov) in radians, and distance 0 means that there is none.

Dims: b cameras, R side of the picture in cells.
"""

import torch
from torch import Tensor

NEAREST = 1e-4  # no ray starts closer to its camera


def camera_rays(camera: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Of camera rows (b, 4): origins (b, 3), and directions of the cell centers (b, side, side, 3), one unit deep."""
    azimuth, elevation, distance, fov = camera.unbind(-1)
    sa, ca, se, ce = azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()
    right = torch.stack([ca, torch.zeros_like(sa), -sa], -1)[:, None, None]
    up = torch.stack([-se * sa, ce, -se * ca], -1)[:, None, None]
    back = torch.stack([ce * sa, se, ce * ca], -1)
    cell = (torch.arange(side, device=camera.device, dtype=camera.dtype) + 0.5) / side * 2 - 1
    half = (fov / 2).tan()[:, None, None, None]
    across = cell[:, None] * half * right  # (b, 1, R, 3)
    along = -cell[:, None, None] * half * up  # (b, R, 1, 3)
    return distance[:, None] * back, across + along - back[:, None, None]


def ball_chords(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays from origins (b, 3) in unit directions (b, n, 3) enter the unit ball and how far they go in it, (b, n)
    each; length 0 where they miss it."""
    along = (origin[:, None] * direction).sum(-1)
    gap = along.square() - (origin.square().sum(-1) - 1)[:, None]
    half = gap.clamp_min(0).sqrt()
    near = (-along - half).clamp_min(NEAREST)
    return near, torch.where(gap > 0, (-along + half - near).clamp_min(0), torch.zeros_like(gap))
