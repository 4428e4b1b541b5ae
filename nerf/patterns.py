"""Solid textures of exact geometry: where a pattern shows its second color, as functions of a point in space.

A pattern is carved out of the solid like grain out of wood, so it needs no unwrapping and has no seam. Lengths are
world units, the same for a thing of any size, so that a pattern stays as visible in a pair as on a thing alone.
"""

import torch
from torch import Tensor

PLAIN, BANDS_X, BANDS_Y, BANDS_Z, CHECKER, SPOTS = range(6)  # bands: planes across the axis they are named after

BAND = 0.19  # thickness of a band: half a period
CELL = 0.24  # edge of a checker's cubes
LATTICE, DOT = 0.36, 0.112  # edge of the body-centered lattice of spots, and their radius: a quarter of the volume


def shows_second(pattern: Tensor, offset: Tensor) -> Tensor:
    """Whether points at `offset` (..., 3) from the anchor of `pattern` (...), a code, have the second color, (...)."""
    bands = _parity((offset / BAND + 0.5).floor())
    along = (pattern - BANDS_X).clamp(0, 2)
    striped = bands.gather(-1, along.expand(bands.shape[:-1])[..., None])[..., 0]
    checkered = _parity((offset / CELL + 0.5).floor().sum(-1))
    u = offset / LATTICE
    corner, middle = ((v - (v + 0.5).floor()).square().sum(-1) for v in (u, u + 0.5))
    spotted = torch.minimum(corner, middle) < (DOT / LATTICE) ** 2
    carved = torch.where(pattern == CHECKER, checkered, torch.where(pattern == SPOTS, spotted, striped))
    return carved & (pattern != PLAIN)


def _parity(count: Tensor) -> Tensor:
    return count.remainder(2) == 1
