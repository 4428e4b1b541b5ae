"""Compiled CPU twin of `nerf.occupancy.march`: the same samples to the bit, because it rounds where torch rounds."""

import math

import numpy as np

from nerf.backends.compiled import EXACT, run
from nerf.occupancy import TINY

f32 = np.float32
RAYS = 256  # rays a piece
ONE, HALF, TINIEST = f32(1), f32(0.5), f32(TINY)


@EXACT
def bounds(occupied, resolution):
    """Corners (2, 3) of the box around all occupied cells of (G^3,); the lower above the upper where there are none."""
    low, high = np.full(3, resolution, np.int64), np.full(3, -1, np.int64)
    for x in range(resolution):
        for y in range(resolution):
            first, last = -1, -1
            row = (x * resolution + y) * resolution
            for z in range(resolution):
                if occupied[row + z]:
                    first = z if first < 0 else first
                    last = z
            if last >= 0:
                low[0], low[1], low[2] = min(low[0], x), min(low[1], y), min(low[2], first)
                high[0], high[1], high[2] = max(high[0], x), max(high[1], y), max(high[2], last)
    out = np.empty((2, 3), f32)
    for axis in range(3):
        out[0, axis] = f32(low[axis]) * f32(2.0 / resolution) - ONE
        out[1, axis] = f32(high[axis] + 1) * f32(2.0 / resolution) - ONE
    return out


@EXACT
def _slab(position, inverse, low, high, near, far):
    """The interval (near, far) cut by one pair of planes."""
    a, b = (low - position) * inverse, (high - position) * inverse
    return max(near, min(a, b)), min(far, max(a, b))


@EXACT
def _steps(ray, origins, directions, offset, step, inner):
    """(near, far, first, last): where the ray meets the box, and a range of steps that holds all occupied samples."""
    near, far = f32(0), f32(math.inf)
    enter, leave = f32(0), f32(math.inf)
    for axis in range(3):
        direction = directions[ray, axis]
        inverse = ONE / (TINIEST if abs(direction) < TINIEST else direction)
        near, far = _slab(origins[ray, axis], inverse, -ONE, ONE, near, far)
        enter, leave = _slab(origins[ray, axis], inverse, inner[0, axis], inner[1, axis], enter, leave)
    if near >= far or enter >= leave:
        return near, far, 0, 0
    first = int((enter - near) / step - offset[ray]) - 1
    last = int((leave - near) / step - offset[ray]) + 3
    return near, far, max(first, 0), last


@EXACT
def _cell(position, resolution):
    """Index of the cell along one axis, (position + 1) G / 2 in float32."""
    return min(max(int((position + ONE) * f32(HALF * resolution)), 0), resolution - 1)


@EXACT
def _march(share, shares, origins, directions, offset, step, occupied, resolution, inner, starts, t_out, fill):
    """Count the samples of every ray into starts[1:], or, where `fill`, write them at starts; pieces are RAYS rays."""
    for piece in range(share * RAYS, len(offset), shares * RAYS):
        for ray in range(piece, min(piece + RAYS, len(offset))):
            at = starts[ray] if fill else 0
            near, far, first, last = _steps(ray, origins, directions, offset, step, inner)
            for k in range(first, last):
                t = near + (f32(k) + offset[ray]) * step
                if t >= far:
                    break
                x = _cell(origins[ray, 0] + t * directions[ray, 0], resolution)
                y = _cell(origins[ray, 1] + t * directions[ray, 1], resolution)
                z = _cell(origins[ray, 2] + t * directions[ray, 2], resolution)
                if occupied[(x * resolution + y) * resolution + z]:
                    if fill:
                        t_out[at] = t
                    at += 1
            if not fill:
                starts[ray + 1] = at


def march(
    origins: np.ndarray, directions: np.ndarray, offset: np.ndarray, step: float, occupied: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (S,) of the packed samples of rays (R, 3), and where each ray's begin (R + 1,)."""
    resolution = round(len(occupied) ** (1 / 3))
    starts = np.zeros(len(offset) + 1, np.int64)
    geometry = origins, directions, offset, f32(step), occupied, resolution, bounds(occupied, resolution), starts
    pieces = -(-len(offset) // RAYS)
    run(_march, pieces, *geometry, np.empty(0, f32), False)
    np.cumsum(starts, out=starts)
    t = np.empty(starts[-1], f32)
    run(_march, pieces, *geometry, t, True)
    return t, starts
