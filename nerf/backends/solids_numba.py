"""Compiled CPU twin of `nerf.solids.render_groups`: same pictures, adaptive antialiasing.

One center ray a pixel finds the outlines; pixels whose neighborhood disagrees in part, in color group or in shade are
then traced with samples x samples rays. Parts are culled per ray by their bounding spheres.
"""

import math

import numba as nb
import numpy as np

from nerf.patterns import BAND, BANDS_X, BANDS_Z, CELL, CHECKER, DOT, LATTICE, PLAIN
from nerf.solids import AMBIENT, DIFFUSE, HIT, TRACE_STEPS

# Constants from elsewhere are compiled in: numba's cache does not notice where they change, only that this file does.
SHADE_EDGE = 0.04  # difference of shade between neighbors that counts as an edge


@nb.njit(cache=True, fastmath=True, inline="always")
def _distance(kind, a, b, c, x, y, z):
    if kind == 0 or kind == 4:
        k0 = math.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
        k1 = math.sqrt((x / (a * a)) ** 2 + (y / (b * b)) ** 2 + (z / (c * c)) ** 2)
        d = k0 * (k0 - 1) / k1 if k1 > 1e-9 else -min(a, b, c)
        return d if kind == 0 else max(d, -y)
    if kind == 1:
        qx, qy, qz = abs(x) - a, abs(y) - b, abs(z) - c
        mx, my, mz = max(qx, 0.0), max(qy, 0.0), max(qz, 0.0)
        return math.sqrt(mx * mx + my * my + mz * mz) + min(max(qx, max(qy, qz)), 0.0)
    if kind == 2:
        slope = (b - a) / (2 * c)
        side = (math.sqrt(x * x + z * z) - (a + b) / 2 - slope * y) / math.sqrt(1 + slope * slope)
        return max(side, abs(y) - c)
    if kind == 3:
        ring = math.sqrt(x * x + z * z) - a
        return math.sqrt(ring * ring + y * y) - b
    if kind == 7:
        q = max(abs(y) - b, 0.0)
        return math.sqrt(x * x + q * q + z * z) - a
    side = (abs(x) * 2 * b + (y - b) * a) / math.sqrt(4 * b * b + a * a)
    if kind == 5:
        return max(max(side, abs(z) - c), -y - b)
    other = (abs(z) * 2 * b + (y - b) * c) / math.sqrt(4 * b * b + c * c)
    return max(max(side, other), -y - b)


@nb.njit(cache=True, fastmath=True, inline="always")
def _at(p, kind, size, center, rot, x, y, z):
    ox, oy, oz = x - center[p, 0], y - center[p, 1], z - center[p, 2]
    lx = ox * rot[p, 0, 0] + oy * rot[p, 1, 0] + oz * rot[p, 2, 0]
    ly = ox * rot[p, 0, 1] + oy * rot[p, 1, 1] + oz * rot[p, 2, 1]
    lz = ox * rot[p, 0, 2] + oy * rot[p, 1, 2] + oz * rot[p, 2, 2]
    return _distance(kind[p], size[p, 0], size[p, 1], size[p, 2], lx, ly, lz)


@nb.njit(cache=True, fastmath=True, inline="always")
def _shows_second(pattern, x, y, z):
    if pattern == PLAIN:
        return 0
    if pattern <= BANDS_Z:
        along = x if pattern == BANDS_X else (z if pattern == BANDS_Z else y)
        return math.floor(along / BAND + 0.5) & 1
    if pattern == CHECKER:
        cells = math.floor(x / CELL + 0.5) + math.floor(y / CELL + 0.5) + math.floor(z / CELL + 0.5)
        return cells & 1
    for shift in (0.0, 0.5):
        u, v, w = x / LATTICE + shift, y / LATTICE + shift, z / LATTICE + shift
        u, v, w = u - math.floor(u + 0.5), v - math.floor(v + 0.5), w - math.floor(w + 0.5)
        if u * u + v * v + w * w < (DOT / LATTICE) ** 2:
            return 1
    return 0


@nb.njit(cache=True, fastmath=True)
def _shoot(kind, size, center, rot, bound, pattern, anchor, ox, oy, oz, dx, dy, dz, active, span):
    """(face, shade) of one ray; face is twice the part, plus 1 where its second color shows, or -1 for none.

    `active` and `span` are scratch for the parts whose bounding spheres the ray passes, and for where.
    """
    count = 0
    near, far = 1e9, -1e9
    for p in range(kind.shape[0]):
        if kind[p] < 0:
            continue
        cx, cy, cz = center[p, 0] - ox, center[p, 1] - oy, center[p, 2] - oz
        along = cx * dx + cy * dy + cz * dz
        miss = cx * cx + cy * cy + cz * cz - along * along
        gap = bound[p] * bound[p] - miss
        if gap > 0:
            half = math.sqrt(gap)
            active[count] = p
            span[count, 0], span[count, 1] = along - half, along + half
            count += 1
            near = min(near, along - half)
            far = max(far, along + half)
    if count == 0:
        return -1, 0.0
    t = max(near, 0.0)
    for _ in range(TRACE_STEPS):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        best, part, ahead = 1e9, -1, 1e9
        for i in range(count):
            if t > span[i, 1]:
                continue
            if t < span[i, 0] - 1e-5:
                ahead = min(ahead, span[i, 0] - t)
                continue
            d = _at(active[i], kind, size, center, rot, x, y, z)
            if d < best:
                best, part = d, active[i]
        if best < HIT:
            e = 1e-3
            gx = _at(part, kind, size, center, rot, x + e, y, z) - _at(part, kind, size, center, rot, x - e, y, z)
            gy = _at(part, kind, size, center, rot, x, y + e, z) - _at(part, kind, size, center, rot, x, y - e, z)
            gz = _at(part, kind, size, center, rot, x, y, z + e) - _at(part, kind, size, center, rot, x, y, z - e)
            norm = math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
            second = _shows_second(pattern[part], x - anchor[part, 0], y - anchor[part, 1], z - anchor[part, 2])
            return 2 * part + second, AMBIENT + DIFFUSE * max(0.0, -(gx * dx + gy * dy + gz * dz) / norm)
        t += min(best, ahead)
        if t > far:
            break
    return -1, 0.0


@nb.njit(cache=True, fastmath=True)
def _render_one(kind, size, center, rot, group, pattern, anchor, bound, c2w, tan_half, samples, out):
    res, groups = out.shape[1], out.shape[0] - 1
    faces = np.empty((res, res), np.int64)
    shades = np.empty((res, res), np.float32)
    active, span = np.empty(kind.shape[0], np.int64), np.empty((kind.shape[0], 2), np.float64)
    ox, oy, oz = c2w[0, 3], c2w[1, 3], c2w[2, 3]
    for phase in range(2):
        for i in range(res):
            for j in range(res):
                fine = 1
                if phase == 1:
                    edge = False
                    for u in range(max(i - 1, 0), min(i + 2, res)):
                        for v in range(max(j - 1, 0), min(j + 2, res)):
                            edge |= faces[u, v] != faces[i, j] or abs(shades[u, v] - shades[i, j]) > SHADE_EDGE
                    if not edge:
                        if faces[i, j] >= 0:
                            out[group[faces[i, j] >> 1, faces[i, j] & 1], i, j] = shades[i, j]
                            out[groups, i, j] = 1.0
                        continue
                    fine = samples
                for k in range(fine * fine):
                    px = ((j + (k % fine + 0.5) / fine) / res * 2 - 1) * tan_half
                    py = -((i + (k // fine + 0.5) / fine) / res * 2 - 1) * tan_half
                    dx = c2w[0, 0] * px + c2w[0, 1] * py - c2w[0, 2]
                    dy = c2w[1, 0] * px + c2w[1, 1] * py - c2w[1, 2]
                    dz = c2w[2, 0] * px + c2w[2, 1] * py - c2w[2, 2]
                    n = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                    dx, dy, dz = dx * n, dy * n, dz * n
                    face, shade = _shoot(
                        kind, size, center, rot, bound, pattern, anchor, ox, oy, oz, dx, dy, dz, active, span
                    )
                    if phase == 0:
                        faces[i, j] = face
                        shades[i, j] = shade
                    elif face >= 0:
                        out[group[face >> 1, face & 1], i, j] += shade / (fine * fine)
                        out[groups, i, j] += 1.0 / (fine * fine)


@nb.njit(cache=True, fastmath=True, parallel=True)
def render_batch(kind, size, center, rot, group, pattern, anchor, bound, c2w, tan_half, samples, out):
    """Fill out (V, groups + 1, S, S), zeros on entry; scene i of the batch is seen by camera i.

    group (V, P, 2): the main and the second one of every part.
    """
    for v in nb.prange(out.shape[0]):
        _render_one(
            kind[v],
            size[v],
            center[v],
            rot[v],
            group[v],
            pattern[v],
            anchor[v],
            bound[v],
            c2w[v],
            tan_half[v],
            samples,
            out[v],
        )


@nb.njit(cache=True)
def bounds(kind, size):
    """Bounding-sphere radii about the part centers, same shape as kind (B, P)."""
    out = np.zeros(kind.shape, size.dtype)
    for i in range(kind.shape[0]):
        for p in range(kind.shape[1]):
            a, b, c = size[i, p]
            k = kind[i, p]
            if k == 0 or k == 4:
                out[i, p] = max(a, b, c)
            elif k == 2:
                out[i, p] = math.sqrt(max(a, b) ** 2 + c * c)
            elif k == 3 or k == 7:
                out[i, p] = a + b
            else:
                out[i, p] = math.sqrt(a * a + b * b + c * c)
    return out
