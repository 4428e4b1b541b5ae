"""Pictures of a textured mesh by ray casting (Embree): no window system or graphics driver, and the field's light."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from nerf.cameras import Cameras
from nerf.mesh_textured import TexturedMesh


class Hits(NamedTuple):
    """What n rays met: face (n,), -1 for nothing; distance (n,); barycentric coordinates of its corners (n, 3)."""

    face: NDArray[np.int32]
    distance: NDArray[np.float32]
    barycentric: NDArray[np.float32]


class Caster:
    """The first hit of rays with a mesh of `vertices` (p, 3) and `faces` (m, 3)."""

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        self._scene = EmbreeScene()
        # the scene refers to the mesh without owning it
        self._mesh = TriangleMesh(
            self._scene, np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32)
        )

    def cast(self, origins: ArrayLike, directions: ArrayLike) -> Hits:
        """Hits of rays with `origins` and unit `directions`, (n, 3) each."""
        o, d = (np.ascontiguousarray(x, dtype=np.float32) for x in (origins, directions))
        found = self._scene.run(o, d, query="INTERSECT", output=True)
        u, v = found["u"], found["v"]
        return Hits(found["primID"], found["tfar"], np.stack([1 - u - v, u, v], -1))


@dataclass(frozen=True)
class MeshPicture:
    """rgb (V, 3, H, H) over the background, opacity (V, 1, H, H), depth (V, 1, H, H) along the ray and 0 where nothing
    was hit, and world normals (V, 3, H, H), 0 where nothing was hit."""

    rgb: Tensor
    opacity: Tensor
    depth: Tensor
    normal: Tensor


def render(
    mesh: TexturedMesh,
    cameras: Cameras,
    size: int,
    *,
    supersample: int = 2,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
    lit: bool = True,
) -> MeshPicture:
    """Pictures of `mesh` on the CPU. Pixels at silhouettes, creases and color edges get supersample^2 rays.

    `lit` shades by the project's head-light, albedo * (0.45 + 0.55 max(0, n.v)) with smooth normals; otherwise the
    albedo itself is shown.
    """
    caster, ground = Caster(mesh.vertices, mesh.faces), np.array(background, dtype=np.float32)
    pictures = np.zeros((len(cameras), size, size, 8), dtype=np.float32)
    pictures[..., :3] = ground
    for index, picture in enumerate(pictures):
        view = _View.of(cameras, index, size)
        window = view.window(mesh.vertices)
        rows, columns = (grid.ravel() for grid in np.mgrid[window])
        picture[window] = _shade(mesh, caster, view.center, view.rays(rows, columns), ground, lit).reshape(
            picture[window].shape
        )
        if supersample > 1:
            rows, columns = np.nonzero(_rough(picture))
            picture[rows, columns] = _mean_of_rays(mesh, caster, view, rows, columns, supersample, ground, lit)
    stacked = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return MeshPicture(*(part.contiguous() for part in stacked.split([3, 1, 1, 3], dim=1)))


class _View(NamedTuple):
    """One camera's rays, as `Cameras.rays` makes them, for any points of its picture."""

    center: NDArray[np.float32]
    axes: NDArray[np.float64]  # rows are right, up, backward
    half: float  # tangent of half the field of view
    size: int

    @classmethod
    def of(cls, cameras: Cameras, index: int, size: int) -> "_View":
        c2w = cameras.c2w[index].double().cpu().numpy()
        return cls(c2w[:3, 3].astype(np.float32), c2w[:3, :3].T, float(torch.tan(cameras.fov[index] / 2)), size)

    def rays(self, rows: NDArray, columns: NDArray, offset: tuple[float, float] = (0.5, 0.5)) -> NDArray[np.float32]:
        """Unit directions (n, 3) through the pixels (rows, columns), at `offset` (down, right) within each."""
        x = ((columns + offset[1]) / self.size * 2 - 1) * self.half
        y = (1 - (rows + offset[0]) / self.size * 2) * self.half
        directions = np.stack([x, y, np.full_like(x, -1)], -1) @ self.axes
        return (directions / np.sqrt(1 + x * x + y * y)[:, None]).astype(np.float32)

    def window(self, vertices: NDArray[np.float32]) -> tuple[slice, slice]:
        """Rows and columns of the smallest rectangle around all `vertices`; all of them if one is beside or behind."""
        local = (vertices - self.center) @ self.axes.T
        if local[:, 2].max() > -1e-3:
            return slice(0, self.size), slice(0, self.size)
        plane = local[:, :2] / -local[:, 2:] / self.half * [1, -1]
        low = np.floor((plane.min(0) + 1) / 2 * self.size).astype(int).clip(0, self.size)
        high = np.ceil((plane.max(0) + 1) / 2 * self.size).astype(int).clip(0, self.size)
        return slice(low[1], high[1]), slice(low[0], high[0])


def _mean_of_rays(
    mesh: TexturedMesh,
    caster: Caster,
    view: _View,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    supersample: int,
    ground: NDArray[np.float32],
    lit: bool,
) -> NDArray[np.float32]:
    """Pixels (n, 8) from supersample^2 rays each; depth and normal are means over the rays that hit."""
    total = np.zeros((len(rows), 8), dtype=np.float32)
    for i in range(supersample**2):
        down, right = divmod(i, supersample)
        rays = view.rays(rows, columns, ((down + 0.5) / supersample, (right + 0.5) / supersample))
        total += _shade(mesh, caster, view.center, rays, ground, lit)
    total[:, 4:] /= np.maximum(total[:, 3:4], 1)
    total[:, :4] /= supersample**2
    return total


def _rough(picture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (H, H) that differ visibly from a neighbor in color, coverage or normal."""
    rough = np.zeros(picture.shape[:2], dtype=bool)
    look = picture[..., [0, 1, 2, 3, 5, 6, 7]] * np.array([1, 1, 1, 1, 0.25, 0.25, 0.25], dtype=np.float32)
    for axis in (0, 1):
        step = np.abs(np.diff(look, axis=axis)).max(-1) > 0.06
        rough |= np.insert(step, 0, False, axis=axis) | np.insert(step, step.shape[axis], False, axis=axis)
    return rough


def _shade(
    mesh: TexturedMesh,
    caster: Caster,
    center: NDArray[np.float32],
    directions: NDArray[np.float32],
    ground: NDArray[np.float32],
    lit: bool,
) -> NDArray[np.float32]:
    """rgb, opacity, depth and normal along rays from `center`: (n, 8)."""
    out = np.zeros((len(directions), 8), dtype=np.float32)
    out[:, :3] = ground
    if not len(directions):
        return out
    hits = caster.cast(np.broadcast_to(center, directions.shape), directions)
    hit = hits.face >= 0
    face, barycentric = hits.face[hit], hits.barycentric[hit]
    normals = np.einsum("nk,nkd->nd", barycentric, mesh.normals[mesh.faces[face]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = 1.0
    if lit:
        facing = -np.einsum("nd,nd->n", normals, directions[hit])
        light = (0.45 + 0.55 * facing.clip(min=0))[:, None]
    out[hit, :3] = mesh.color(face, barycentric) * light
    out[hit, 3] = 1
    out[hit, 4] = hits.distance[hit]
    out[hit, 5:] = normals
    return out
