"""Which points of a regular grid lie in which triangles: texels under an atlas, columns under a mesh."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_CANDIDATES = 1 << 21


class Cover(NamedTuple):
    """k grid points that lie in (or near) a triangle; a point appears once for each triangle it lies in.

    triangle, column, row: (k,); barycentric (k, 3), not clamped; outside (k,): how far, in grid units, the point is
    beyond the triangle's edges, 0 within it.
    """

    triangle: NDArray[np.int64]
    column: NDArray[np.int64]
    row: NDArray[np.int64]
    barycentric: NDArray[np.float64]
    outside: NDArray[np.float64]


def rasterize(corners: NDArray[np.floating], width: int, height: int, margin: float = 0.0) -> Cover:
    """All grid points (column, row), at those integer coordinates, within `margin` of triangles (m, 3, 2).

    Triangles without area cover nothing.
    """
    corners = corners.astype(np.float64)
    limit = np.array([width, height]) - 1
    first = np.ceil(corners.min(1) - margin).clip(min=0).astype(np.int64)
    last = np.minimum(np.floor(corners.max(1) + margin), limit).astype(np.int64)
    extent = (last - first + 1).clip(min=0)
    parts = [_cover(corners, first, extent, part, margin) for part in _batches(extent.prod(1))]
    return Cover(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _batches(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Slices over `sizes` with about MOST_CANDIDATES in each; at least one slice."""
    bins = np.cumsum(sizes) // MOST_CANDIDATES
    cuts = [0, *(np.flatnonzero(np.diff(bins)) + 1).tolist(), len(sizes)]
    yield from (slice(a, b) for a, b in itertools.pairwise(cuts))


def _cover(
    corners: NDArray[np.float64], first: NDArray[np.int64], extent: NDArray[np.int64], part: slice, margin: float
) -> Cover:
    a, b, c = corners[part].transpose(1, 0, 2)
    twice_area = _cross(b - a, c - a)
    count = np.where(np.abs(twice_area) > 1e-12, extent[part].prod(1), 0)
    of = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    across = extent[part, 0][of]
    column, row = first[part, 0][of] + within % across, first[part, 1][of] + within // across
    point = np.stack([column, row], -1)
    # each edge function over the area is a barycentric coordinate, over the edge's length a distance
    edges = ((b, c), (c, a), (a, b))
    areas = np.stack([_cross((q - p)[of], point - p[of]) for p, q in edges], -1) * np.sign(twice_area[of])[:, None]
    lengths = np.stack([np.linalg.norm(q - p, axis=1) for p, q in edges], -1)
    outside = (-areas / lengths[of]).max(1).clip(min=0)
    keep = outside <= margin
    barycentric = areas[keep] / np.abs(twice_area[of[keep]])[:, None]
    return Cover(of[keep] + part.start, column[keep], row[keep], barycentric, outside[keep])


def _cross(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
