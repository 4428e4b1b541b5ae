"""Compiled CPU twin of `nerf.occupancy.march`: the same samples to the bit, because it rounds where torch rounds."""

import math

import numpy as np

from nerf.backends.compiled import EXACT, run
from nerf.occupancy import TINY

f32 = np.float32
RAYS = 256  # rays a piece
WORD = 64  # steps that are looked at together
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
def _look(ray, begin, near, far, origins, directions, offset, step, occupied, resolution, cell, within):
    """Which of the WORD samples from step `begin` on count, as bits; `cell` and `within` (WORD,) are scratch."""
    ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
    dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
    shift, half, top = offset[ray], f32(HALF * resolution), np.int32(resolution - 1)
    for k in range(WORD):
        t = near + (f32(begin + k) + shift) * step
        x = min(max(np.int32((ox + t * dx + ONE) * half), np.int32(0)), top)
        y = min(max(np.int32((oy + t * dy + ONE) * half), np.int32(0)), top)
        z = min(max(np.int32((oz + t * dz + ONE) * half), np.int32(0)), top)
        cell[k] = (x * resolution + y) * resolution + z
        within[k] = t < far
    bits = np.uint64(0)
    for k in range(WORD):
        bits |= np.uint64(within[k] & occupied[cell[k]]) << np.uint64(k)
    return bits


@EXACT
def _count(share, shares, origins, directions, offset, step, occupied, resolution, inner, seen, nears, starts):
    """Fill seen (R, words) with a bit a step, nears (R,), and starts[1:] with the count; pieces are RAYS rays."""
    cell, within = np.empty(WORD, np.int32), np.empty(WORD, np.uint8)
    words = seen.shape[1]
    for piece in range(share * RAYS, len(offset), shares * RAYS):
        for ray in range(piece, min(piece + RAYS, len(offset))):
            near, far, first, last = _steps(ray, origins, directions, offset, step, inner)
            nears[ray] = near
            total = 0
            for word in range(words):
                bits = np.uint64(0)
                if first < (word + 1) * WORD and last > word * WORD:
                    begin = word * WORD
                    bits = _look(
                        ray, begin, near, far, origins, directions, offset, step, occupied, resolution, cell, within
                    )
                seen[ray, word] = bits
                while bits:
                    bits &= bits - np.uint64(1)
                    total += 1
            starts[ray + 1] = total


@EXACT
def _fill(share, shares, offset, step, seen, nears, starts, out):
    """Write the distances (S,) of the steps whose bits are set; pieces are RAYS rays."""
    for piece in range(share * RAYS, len(offset), shares * RAYS):
        for ray in range(piece, min(piece + RAYS, len(offset))):
            at = starts[ray]
            for word in range(seen.shape[1]):
                bits, k = seen[ray, word], word * WORD
                while bits:
                    if bits & np.uint64(1):
                        out[at] = nears[ray] + (f32(k) + offset[ray]) * step
                        at += 1
                    bits >>= np.uint64(1)
                    k += 1


def march(
    origins: np.ndarray, directions: np.ndarray, offset: np.ndarray, step: float, occupied: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (S,) of the packed samples of rays (R, 3), and where each ray's begin (R + 1,)."""
    count, resolution, width = len(offset), round(len(occupied) ** (1 / 3)), f32(step)
    words = (math.ceil(2 * math.sqrt(3) / float(width)) + 1) // WORD + 1
    seen, nears = np.empty((count, words), np.uint64), np.empty(count, f32)
    starts = np.zeros(count + 1, np.int64)
    cells = occupied.view(np.uint8)
    inner, pieces = bounds(cells, resolution), -(-count // RAYS)
    run(_count, pieces, origins, directions, offset, width, cells, resolution, inner, seen, nears, starts)
    np.cumsum(starts, out=starts)
    t = np.empty(starts[-1], f32)
    run(_fill, pieces, offset, width, seen, nears, starts, t)
    return t, starts
