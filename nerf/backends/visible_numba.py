"""Compiled search for what no camera can see, for `nerf.isosurface.fill_hidden`."""

import numpy as np

from nerf.backends.compiled import FUSED, run

f32 = np.float32
ONE, HALF = f32(1), f32(0.5)
PIECE = 4096  # cells


@FUSED
def _hidden(share, shares, cells, solid, eyes, resolution, out):
    """Fill out (n,): 1 where the straight way from node cells[i] to every eye (V, 3) meets a solid node; pieces are
    PIECE cells. Positions are in nodes."""
    recent = 0  # the eye that saw the last cell usually sees the next
    for piece in range(share * PIECE, len(cells), shares * PIECE):
        for i in range(piece, min(piece + PIECE, len(cells))):
            x, rest = cells[i] // (resolution * resolution), cells[i] % (resolution * resolution)
            y, z = rest // resolution, rest % resolution
            out[i] = 1
            for k in range(len(eyes)):
                eye = (recent + k) % len(eyes)
                dx, dy, dz = eyes[eye, 0] - f32(x), eyes[eye, 1] - f32(y), eyes[eye, 2] - f32(z)
                longest = max(abs(dx), abs(dy), abs(dz))
                dx, dy, dz = dx / longest, dy / longest, dz / longest
                px, py, pz = f32(x) + HALF, f32(y) + HALF, f32(z) + HALF
                blocked = False
                for _ in range(int(longest)):
                    px, py, pz = px + dx, py + dy, pz + dz
                    if min(px, py, pz) < f32(0) or max(px, py, pz) >= f32(resolution):
                        break
                    if solid[(int(px) * resolution + int(py)) * resolution + int(pz)]:
                        blocked = True
                        break
                if not blocked:
                    recent, out[i] = eye, 0
                    break


def hidden(solid: np.ndarray, cells: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Which of `cells` (n,), flat indices into `solid` (G, G, G), none of `eyes` (V, 3), in nodes, can see: (n,)."""
    out = np.zeros(len(cells), np.uint8)
    flat = np.ascontiguousarray(solid).reshape(-1).view(np.uint8)
    run(_hidden, -(-len(cells) // PIECE), cells.astype(np.int64), flat, eyes.astype(f32), solid.shape[0], out)
    return out.astype(bool)
