"""Multiresolution hash grid, Mueller et al. 2022, "Instant Neural Graphics Primitives", arXiv 2201.05989, eq 1-4.

Plain torch: the reference that every compiled backend must equal. The geometry is tinycudann's, to the letter, so that
a table trained here can be read there: a level's scale is base * s^l - 1, a point x of the unit cube lies at
x * scale + 0.5, a level has ceil(scale) + 1 nodes an axis, it is stored densely where that many nodes cubed fit into
the table, and its entries are padded to a multiple of 8.

Dims: n points, L levels, F features a level, E entries of all levels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

PRIMES = (1, 2654435761, 805459861)
WORD = 0xFFFFFFFF  # hashes are 32 bits wide


@dataclass(frozen=True)
class Level:
    """One level: `size` entries from `offset` on; `dense` ones are indexed by x + y r + z r^2, others by a hash."""

    scale: float
    resolution: int
    offset: int
    size: int
    dense: bool


@dataclass(frozen=True)
class HashGrid:
    """The shape of a grid: resolutions grow from `base` to `finest` geometrically; a level has at most 2^log2_size
    entries of `features` numbers."""

    levels: int = 8
    features: int = 2
    log2_size: int = 15
    base: int = 16
    finest: int = 128

    def __post_init__(self) -> None:
        if self.levels < 1 or self.features < 1 or not 3 <= self.log2_size <= 24:
            raise ValueError(f"a hash grid needs levels >= 1, features >= 1 and log2_size in 3..24, got {self}")
        if not 2 <= self.base <= self.finest <= 4096:
            raise ValueError(f"a hash grid needs 2 <= base <= finest <= 4096, got {self.base} and {self.finest}")

    @cached_property
    def growth(self) -> float:
        """The factor between the resolutions of neighboring levels (tinycudann's per_level_scale)."""
        return float((self.finest / self.base) ** (1 / max(1, self.levels - 1)))

    @cached_property
    def layout(self) -> tuple[Level, ...]:
        """The levels. Scales are computed in float32, as tinycudann does: a resolution is a ceiling of one."""
        growth = np.log2(np.float32(self.growth))
        levels, offset = [], 0
        for index in range(self.levels):
            scale = np.exp2(np.float32(index) * growth) * np.float32(self.base) - np.float32(1)
            resolution = int(np.ceil(scale)) + 1
            limit = 1 << self.log2_size
            size = min(-(-(resolution**3) // 8) * 8, limit)
            levels.append(Level(float(scale), resolution, offset, size, resolution**3 <= limit))
            offset += size
        return tuple(levels)

    @property
    def entries(self) -> int:
        """Entries of all levels; a table has shape (entries, features)."""
        return self.layout[-1].offset + self.layout[-1].size

    @property
    def width(self) -> int:
        """Numbers that encode a point."""
        return self.levels * self.features

    def table(self, generator: torch.Generator) -> Tensor:
        """A fresh table (E, F), uniform in [-1e-4, 1e-4] as in the paper."""
        return (torch.rand(self.entries, self.features, generator=generator) * 2 - 1) * 1e-4


def corners(points: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """Table rows (n, 8) int64 and trilinear weights (n, 8) of the nodes around points (n, 3) of the unit cube."""
    position = points * level.scale + 0.5
    cell = position.floor()
    fraction = position - cell
    bits = torch.arange(8, device=points.device)
    bit = torch.stack([bits & 1, (bits >> 1) & 1, bits >> 2], -1)
    node = cell.long()[:, None] + bit
    weight = torch.where(bit.bool(), fraction[:, None], 1 - fraction[:, None]).prod(-1)
    if level.dense:
        r = level.resolution
        index = node[..., 0] + node[..., 1] * r + node[..., 2] * (r * r)
    else:
        x, y, z = (node[..., k] * PRIMES[k] & WORD for k in range(3))
        index = x ^ y ^ z
    return level.offset + index % level.size, weight


def encode(points: Tensor, table: Tensor, grid: HashGrid, active: int) -> Tensor:
    """Features (n, L * F), level by level, of points (n, 3) in the unit cube, for a table (E, F).

    Levels from `active` on give zeros, which is how coarse-to-fine training opens the bands one after another.
    """
    found = []
    for level in grid.layout[:active]:
        index, weight = corners(points, level)
        found.append((table[index] * weight[..., None]).sum(1))
    found.append(table.new_zeros(len(points), (grid.levels - active) * grid.features))
    return torch.cat(found, -1)
