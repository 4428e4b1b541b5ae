"""UV atlases with bounded time: xatlas with small charts, or a box projection for very large meshes."""

from typing import NamedTuple

import numpy as np
import xatlas
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nerf.mesh_clean import Faces, Vertices, half_edges

PADDING = 3  # texels around a chart
BLOCK = 2500  # faces that xatlas sees at once
MOST_FACES = 200_000  # about 5 s of xatlas


class Atlas(NamedTuple):
    """uv (q, 2) in [0, 1] with the origin at the bottom left; faces (m, 3) into uv, parallel to the mesh's faces."""

    uv: NDArray[np.float32]
    faces: Faces
    charts: int
    method: str


def unwrap(vertices: Vertices, faces: Faces, texture: int, most_faces: int = MOST_FACES) -> Atlas:
    """An atlas for a texture of `texture` pixels a side. The choice of method depends on the face count alone, never
    on a clock, so that the same mesh always gets the same atlas."""
    method = charts_of_xatlas if len(faces) <= most_faces else charts_of_box
    return method(vertices, faces, texture)


def charts_of_xatlas(vertices: Vertices, faces: Faces, texture: int) -> Atlas:
    """xatlas, block by block. Its time grows with the square of a chart's faces and with faces times charts, so the
    surface goes in as blocks of BLOCK faces and charts are held to 1/120 of it: 20,000 faces take 0.5 s instead of 4,
    those of a rough surface with 2,000 charts 0.7 s instead of 5. All blocks are packed into one texture."""
    centers = vertices[faces].mean(1)
    blocks = _blocks(centers, np.arange(len(faces)))
    a, b, c = vertices[faces].transpose(1, 0, 2)
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_chart_area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 240
    packing.resolution, packing.padding = texture, PADDING
    atlas = xatlas.Atlas()
    pieces = [np.unique(faces[block], return_inverse=True) for block in blocks]
    for used, index in pieces:
        atlas.add_mesh(vertices[used], index.reshape(-1, 3).astype(np.uint32))
    atlas.generate(charts, packing)
    corners, uvs, count = np.zeros_like(faces), [], 0
    for k, (block, (_, index)) in enumerate(zip(blocks, pieces, strict=True)):
        source, local, uv = atlas[k]
        if not np.array_equal(source[local], index.reshape(-1, 3)):
            raise RuntimeError("xatlas returned the faces in another order")
        corners[block] = local + count
        uvs.append(uv)
        count += len(uv)
    uv, corners = _with_slivers(faces, np.concatenate(uvs).astype(np.float32), corners)
    return Atlas(uv, corners, atlas.chart_count, "xatlas")


def _blocks(centers: NDArray[np.float32], members: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """`members` split at the median of their `centers` (m, 3), along the longest side, until at most BLOCK remain."""
    if len(members) <= BLOCK:
        return [members]
    here = centers[members]
    order = members[np.argsort(here[:, np.ptp(here, axis=0).argmax()], kind="stable")]
    half = len(order) // 2
    return _blocks(centers, order[:half]) + _blocks(centers, order[half:])


def _with_slivers(faces: Faces, uv: NDArray[np.float32], corners: Faces) -> tuple[NDArray[np.float32], Faces]:
    """Faces too thin for xatlas, which it leaves at one corner of the atlas, get the atlas point of a neighbor.

    Each has three atlas corners of its own, so that an atlas corner still belongs to one vertex.
    """
    lost = (uv[corners] == uv[corners[:, :1]]).all((1, 2))
    placed = np.full(faces.max() + 1, -1)
    placed[faces[~lost].ravel()] = corners[~lost].ravel()
    neighbor = placed[faces[lost]].max(1)
    points = np.where(neighbor[:, None] >= 0, uv[neighbor], 0).astype(np.float32)
    corners = corners.copy()
    corners[lost] = np.arange(3 * lost.sum()).reshape(-1, 3) + len(uv)
    used, index = np.unique(corners, return_inverse=True)
    return np.concatenate([uv, points.repeat(3, axis=0)])[used], index.reshape(-1, 3).astype(np.int32)


def charts_of_box(vertices: Vertices, faces: Faces, texture: int, cells: int = 6) -> Atlas:
    """Charts of connected faces that look toward the same side of a box, each projected onto that side.

    Charts also end at the walls of cells^3 cells, so that no chart winds over itself. Linear time.
    """
    side, chart, count = _box_charts(vertices, faces, cells)
    chart_side = np.zeros(count, dtype=np.int64)
    chart_side[chart] = side
    corner_keys = np.repeat(chart, 3).astype(np.int64) * len(vertices) + faces.ravel()
    keys, corners = np.unique(corner_keys, return_inverse=True)
    of_chart, source = keys // len(vertices), keys % len(vertices)
    axis = chart_side[of_chart] // 2
    at = np.arange(len(keys))
    flat = np.stack([vertices[source][at, (axis + k) % 3] for k in (1, 2)], -1).astype(np.float64)
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, of_chart, flat)
    np.maximum.at(high, of_chart, flat)
    scale, place = _pack(high - low, texture)
    uv = ((flat - low[of_chart]) * scale + place[of_chart]) / texture
    return Atlas(uv.astype(np.float32), corners.reshape(-1, 3).astype(np.int32), count, "box")


def _box_charts(vertices: Vertices, faces: Faces, cells: int) -> tuple[NDArray, NDArray, int]:
    """The box side of each face (m,), 0-5; its chart (m,); and the number of charts."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    axis = np.abs(normal).argmax(1)
    side = 2 * axis + (np.take_along_axis(normal, axis[:, None], 1)[:, 0] < 0)
    cell = (((a + b + c) / 6 + 0.5) * cells).clip(0, cells - 1).astype(np.int64)
    group = side + 6 * (cell[:, 0] + cells * (cell[:, 1] + cells * cell[:, 2]))
    along, against = half_edges(faces)
    order = np.argsort(along, kind="stable")
    found = np.searchsorted(along[order], against).clip(max=len(along) - 1)
    opposite = order[found]
    mine, other = np.arange(len(along)) // 3, opposite // 3
    joined = (along[opposite] == against) & (group[mine] == group[other])
    graph = coo_array((np.ones(joined.sum()), (mine[joined], other[joined])), shape=(len(faces), len(faces)))
    count, chart = connected_components(graph, directed=False)
    return side, chart, count


def _pack(sizes: NDArray[np.float64], texture: int) -> tuple[float, NDArray[np.float64]]:
    """Texels per unit and lower left corners (n, 2), in texels, of rectangles (n, 2) on shelves of a square.

    Where there are very many for the texture, they are padded less, so that they always fit.
    """
    padding = min(PADDING, texture / (2 * len(sizes) ** 0.5))
    order = np.argsort(-sizes[:, 1], kind="stable")
    low, high = 0.0, texture / max(float(sizes.max()), 1e-9)
    best = low, np.zeros_like(sizes)
    for _ in range(16):
        scale = (low + high) / 2
        places = _shelves(sizes[order] * scale + padding, texture)
        if places is None:
            high = scale
        else:
            low = scale
            best = scale, places[np.argsort(order)] + padding / 2
    return best


def _shelves(sizes: NDArray[np.float64], texture: int) -> NDArray[np.float64] | None:
    """Corners of rectangles, sorted by falling height, laid on shelves from the bottom; None where they do not fit."""
    places = []
    x = y = shelf = 0.0
    for width, height in sizes.tolist():
        if x + width > texture:
            x, y, shelf = 0.0, y + shelf, 0.0
        shelf = max(shelf, height)
        if width > texture or y + shelf > texture:
            return None
        places.append((x, y))
        x += width
    return np.array(places)
