"""A triangle mesh with a texture, as arrays; every file of the mesh half speaks this type."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TexturedMesh:
    """Geometry without seams, beside an atlas with its own corners (as in OBJ): one surface, two index arrays.

    vertices (p, 3) and unit normals (p, 3) float32; faces (m, 3) int32 into them, counterclockwise from outside;
    uv (q, 2) float32 with the origin at the bottom left; uv_faces (m, 3) int32 into uv; texture (T, T, 3) uint8, sRGB
    albedo, top row first.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    uv_faces: NDArray[np.int32]
    texture: NDArray[np.uint8]

    @property
    def vertex_of_uv(self) -> NDArray[np.int32]:
        """The vertex under each atlas corner, (q,)."""
        index = np.zeros(len(self.uv), dtype=np.int32)
        index[self.uv_faces.ravel()] = self.faces.ravel()
        return index

    def color(self, face: NDArray[np.integer], barycentric: NDArray[np.floating]) -> NDArray[np.float32]:
        """Albedo in [0, 1], (n, 3), at points of `face` (n,) with barycentric coordinates (n, 3), bilinearly."""
        return self.lookup(np.einsum("nk,nkd->nd", barycentric, self.uv[self.uv_faces[face]]))

    def vertex_colors(self) -> NDArray[np.float32]:
        """Albedo in [0, 1] at the vertices, (p, 3): the mean over the charts that meet there."""
        vertex = self.vertex_of_uv
        colors = self.lookup(self.uv)
        count = np.bincount(vertex, minlength=len(self.vertices))
        total = np.stack([np.bincount(vertex, colors[:, k], minlength=len(self.vertices)) for k in range(3)], -1)
        return (total / np.maximum(count, 1)[:, None]).astype(np.float32)

    def lookup(self, uv: NDArray[np.floating]) -> NDArray[np.float32]:
        """The texture at `uv` (n, 2), bilinearly, clamped at the border: (n, 3) in [0, 1]."""
        height, width, _ = self.texture.shape
        x = (uv[:, 0] * width - 0.5).clip(0, width - 1)
        y = ((1 - uv[:, 1]) * height - 0.5).clip(0, height - 1)
        left, top = x.astype(np.int64), y.astype(np.int64)
        right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        fx, fy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
        upper = self.texture[top, left] * (1 - fx) + self.texture[top, right] * fx
        lower = self.texture[bottom, left] * (1 - fx) + self.texture[bottom, right] * fx
        return (upper * (1 - fy) + lower * fy) / np.float32(255)
