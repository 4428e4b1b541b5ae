"""Repairs between marching cubes and the atlas: floaters, smoothing, normals, on plain arrays.

A mesh is `vertices` (p, 3) float32 and `faces` (m, 3) int32, counterclockwise from outside. Closed here means that
every edge belongs to exactly two faces which run along it in opposite directions.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components

from nerf.mesh_render import Caster

Vertices = NDArray[np.float32]
Faces = NDArray[np.int32]


def half_edges(faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys of the 3 m directed edges (face by face: 0-1, 1-2, 2-0) and of the same edges reversed, (3 m,) each."""
    starts, ends = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    return starts << 32 | ends, ends << 32 | starts


def is_closed(faces: Faces) -> bool:
    """Whether every directed edge occurs once, and once reversed."""
    along, against = half_edges(faces)
    along = np.sort(along)
    return bool(len(faces)) and bool((np.diff(along) > 0).all()) and np.array_equal(along, np.sort(against))


def compact(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Without the vertices that no face uses."""
    used, index = np.unique(faces, return_inverse=True)
    return vertices[used], index.reshape(-1, 3).astype(np.int32)


def signed_volumes(vertices: Vertices, faces: Faces) -> NDArray[np.float64]:
    """Volume of the tetrahedron from the origin to each face, (m,); a closed mesh's volume is their sum."""
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6


def vertex_normals(vertices: Vertices, faces: Faces) -> NDArray[np.float32]:
    """Unit normals (p, 3): the mean of the faces around a vertex, by area. Where those cancel, the direction is +y."""
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    of_face = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(of_face[:, k], 3), minlength=len(vertices)) for k in range(3)], -1
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    total = np.where(length > 1e-20, total, [0.0, 1.0, 0.0])
    return (total / np.where(length > 1e-20, length, 1.0)).astype(np.float32)


def drop_floaters(vertices: Vertices, faces: Faces, share: float = 0.01) -> tuple[Vertices, Faces, int]:
    """The mesh without its floaters and inner walls, and how many components that removed.

    A component is a floater when it has less than `share` of the volume, and of what can be seen from all around less
    than a ball of that volume beside a ball would have (share^(2/3)): a thin part that shows is kept, and so is every
    separate part of some size. Components that nothing outside can see (bubbles, and what is inside them) always go.
    The largest one always stays.
    """
    count, label = connected_components(_vertex_graph(faces, len(vertices)), directed=False)
    of_face = label[faces[:, 0]]
    volumes = np.bincount(of_face, signed_volumes(vertices, faces), minlength=count)
    seen = np.bincount(of_face[_seen_faces(vertices, faces)], minlength=count)
    small = (volumes < share * volumes.clip(min=0).sum()) & (seen < share ** (2 / 3) * seen.sum())
    drop = small | (seen == 0)
    drop[volumes.argmax()] = False
    present = np.bincount(of_face, minlength=count) > 0
    return *compact(vertices, faces[~drop[of_face]]), int((drop & present).sum())


def _vertex_graph(faces: Faces, count: int) -> csr_array:
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    graph = coo_array((np.ones(len(starts)), (starts, ends)), shape=(count, count)).tocsr()
    graph.data[:] = 1  # an edge of several faces counts once
    return graph


def neighbor_mean(faces: Faces, count: int) -> csr_array:
    """The (count, count) matrix that takes values at vertices to the mean over each vertex' neighbors."""
    graph = _vertex_graph(faces, count)
    return csr_array(diags_array(1 / graph.sum(1).clip(min=1)) @ graph)


def _seen_faces(vertices: Vertices, faces: Faces, size: int = 64) -> NDArray[np.int32]:
    """The first face that each of `size`^2 parallel rays meets, from the 26 directions of a cube's neighbors."""
    caster = Caster(vertices, faces)
    ticks = (np.arange(size) + 0.5) / size * 2 - 1
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2) * np.sqrt(3)
    found = []
    for toward in product((-1.0, 0.0, 1.0), repeat=3):
        if not any(toward):
            continue
        forward = np.array(toward) / np.linalg.norm(toward)
        right = np.cross(forward, [0.0, 1.0, 0.0] if abs(forward[1]) < 0.9 else [1.0, 0.0, 0.0])
        right /= np.linalg.norm(right)
        origins = plane @ np.stack([right, np.cross(right, forward)]) - 4 * forward
        hit = caster.cast(origins, np.broadcast_to(forward, origins.shape)).face
        found.append(hit[hit >= 0])
    return np.concatenate(found)


def smooth(vertices: Vertices, faces: Faces, rounds: int = 5) -> Vertices:
    """`rounds` of smoothing that does not shrink (Taubin 1995: a step of 0.5 and one of -0.53 along the Laplacian)."""
    mean = neighbor_mean(faces, len(vertices))
    points = vertices.astype(np.float64)
    for _ in range(rounds):
        for step in (0.5, -0.53):
            points = points + step * (mean @ points - points)
    return points.clip(-1, 1).astype(np.float32)
