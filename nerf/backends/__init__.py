"""Faster twins of the plain-torch references, chosen by device; equal to them by test.

`hashgrid_numba`, `field_numba`, `volume_numba`: compiled CPU kernels. `tinycudann`, `nerfacc`: on CUDA, where they are
installed and pass a check against the reference. Nothing of these is imported before it is first used, and what has no
twin runs the reference.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from nerf.encoding import HashGrid
    from nerf.field import Field, HashField
    from nerf.occupancy import Samples


def encode(points: Tensor, table: Tensor, grid: "HashGrid", active: int) -> Tensor:
    """`nerf.encoding.encode`."""
    if _kernels_take(points) and _kernels_take(table) and grid.features == 2:
        from nerf.backends import hashgrid_numba

        return hashgrid_numba.encode(points, table, grid, active)
    if points.device.type == "cuda":
        from nerf.backends import tinycudann

        if tinycudann.works(grid):
            return tinycudann.encode(points, table, grid, active)
    from nerf import encoding

    return encoding.encode(points, table, grid, active)


def query(field: "HashField", points: Tensor, rows: int) -> Tensor | None:
    """The first `rows` (1 or 4) of density, red, green and blue at points (n, 3), (rows, n), without gradients; None
    where that cannot be had faster than through torch."""
    if torch.is_grad_enabled() or not (_kernels_take(points) and _kernels_take(field.table)):
        return None
    from nerf.backends import field_numba

    return field_numba.query(field, points, rows) if field_numba.fits(field) else None


def transmittance(optical: Tensor, samples: "Samples") -> Tensor:
    """`nerf.render.transmittance`."""
    if optical.device.type == "cuda":
        from nerf.backends import nerfacc

        if nerfacc.works():
            return nerfacc.transmittance(optical, samples)
    from nerf import render

    return render.transmittance(optical, samples)


def trace(
    field: "Field", origins: Tensor, directions: Tensor, offset: Tensor, occupied: Tensor, *, step: float, stop: float
) -> Tensor:
    """`nerf.render.trace`."""
    from nerf import render
    from nerf.field import HashField

    if isinstance(field, HashField) and _kernels_take(origins) and _kernels_take(field.table):
        from nerf.backends import field_numba, volume_numba

        if field_numba.fits(field):
            return volume_numba.trace(field, origins, directions, offset, occupied, step, stop)
    return render.trace(field, origins, directions, offset, occupied, step=step, stop=stop)


def _kernels_take(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32
