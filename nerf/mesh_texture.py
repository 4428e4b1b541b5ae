"""The albedo texture: the field's color, read where a ray that comes in along the normal is absorbed.

A field's boundary is soft. On its outermost shell, where silhouettes put the surface, almost nothing is absorbed and
no picture ever taught the field a color; read there, textures come out gray or dark. So each vertex gets the depth at
which a ray along its inward normal is half absorbed, and texels read the albedo at that depth.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from nerf.isosurface import PointFunction, evaluate
from nerf.mesh_atlas import Atlas
from nerf.mesh_clean import Faces, Vertices, half_edges
from nerf.mesh_raster import rasterize


def absorption_depth(
    density: PointFunction,
    vertices: Vertices,
    normals: NDArray[np.float32],
    cell: float,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Depth below each vertex (p,), in world units, where half of a ray along -normal is absorbed.

    Looks from two cells above the surface to six below; of what is absorbed there, half is absorbed before the
    returned depth. 0 where nothing is.
    """
    step = 0.5 * cell
    depths = np.arange(-4, 12) * step
    points = vertices[:, None] - (depths[:, None] + step / 2).astype(np.float32) * normals[:, None]
    inside = (np.abs(points) <= 1).all(-1)
    thickness = evaluate(density, points.reshape(-1, 3), device).reshape(inside.shape) * inside * step
    total = np.cumsum(thickness, axis=1, dtype=np.float64)
    # the optical depth at which half of 1 - exp(-total) is reached
    half = -np.log1p(0.5 * np.expm1(-total[:, -1]))
    reached = (total < half[:, None]).sum(1).clip(max=len(depths) - 1)
    row = np.arange(len(vertices))
    before = np.where(reached > 0, total[row, reached - 1], 0)
    within = (half - before) / np.maximum(thickness[row, reached], 1e-12)
    return np.where(total[:, -1] > 1e-6, depths[reached] + step * within.clip(0, 1), 0).astype(np.float32)


def bake(
    albedo: PointFunction,
    vertices: Vertices,
    faces: Faces,
    atlas: Atlas,
    size: int,
    *,
    device: torch.device | str = "cpu",
) -> NDArray[np.uint8]:
    """A texture (size, size, 3), top row first, of `albedo` at the points of the surface `vertices`, `faces`.

    Texels whose centers lie up to 1.5 texels outside a chart read the nearest point of the chart, so that bilinear
    look-ups at its border are right; all others copy the nearest texel that has a color, so that no filter and no
    mip level ever mixes in a foreign one.
    """
    corners = atlas.uv[atlas.faces].astype(np.float64) * [size, -size] + [-0.5, size - 0.5]
    rim = np.flatnonzero(_at_rim(atlas.faces))
    near = rasterize(corners[rim], size, size, margin=1.5)
    near = near._replace(triangle=rim[near.triangle])
    within = rasterize(corners, size, size)
    triangle = np.full(size * size, -1)
    weights = np.zeros((size * size, 3))
    for cover, order in ((near, np.argsort(-near.outside, kind="stable")), (within, slice(None))):
        texel = (cover.row * size + cover.column)[order]  # the nearest triangle writes last, and so wins
        triangle[texel], weights[texel] = cover.triangle[order], cover.barycentric[order]
    colored = triangle >= 0
    weights = weights[colored].clip(min=0)
    weights /= weights.sum(1, keepdims=True)
    points = np.einsum("nk,nkd->nd", weights, vertices[faces[triangle[colored]]])
    texture = np.zeros((size * size, 3), dtype=np.uint8)
    texture[colored] = (evaluate(albedo, points, device).clip(0, 1) * 255).round().astype(np.uint8)
    texture = texture.reshape(size, size, 3)
    holes = ~colored.reshape(size, size)
    nearest = np.asarray(distance_transform_edt(holes, return_distances=False, return_indices=True))
    return texture[nearest[0], nearest[1]]


def _at_rim(faces: Faces) -> NDArray[np.bool_]:
    """Faces (m,) of an atlas with an edge that no other face of their chart shares."""
    along, against = half_edges(faces)
    return np.isin(against, along, invert=True).reshape(-1, 3).max(1)
