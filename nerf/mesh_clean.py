"""Repairs between marching cubes and the atlas: floaters, smoothing, decimation, all on plain arrays.

A mesh is `vertices` (p, 3) float32 and `faces` (m, 3) int32, counterclockwise from outside. Closed here means that
every edge belongs to exactly two faces which run along it in opposite directions.
"""

from itertools import product

import fast_simplification
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


def _neighbor_mean(faces: Faces, count: int) -> csr_array:
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
    mean = _neighbor_mean(faces, len(vertices))
    points = vertices.astype(np.float64)
    for _ in range(rounds):
        for step in (0.5, -0.53):
            points = points + step * (mean @ points - points)
    return points.clip(-1, 1).astype(np.float32)


def decimate(vertices: Vertices, faces: Faces, target: int) -> tuple[Vertices, Faces]:
    """At most `target` faces by quadric edge collapse (Garland & Heckbert 1997); a closed mesh stays closed.

    The collapse can pinch sheets together, which `unpinch` undoes at the cost of a few faces: then the next round
    aims lower. Where no round gives a closed mesh, the mesh comes back as it was.
    """
    if len(faces) <= target:
        return compact(*unpinch(vertices, faces))
    closed = is_closed(faces)
    for share in (1.0, 0.97, 0.9, 0.75):
        points, triangles = fast_simplification.simplify(vertices, faces, target_count=int(share * target))[:2]
        points, triangles = compact(*unpinch(points.astype(np.float32), triangles.astype(np.int32)))
        if 0 < len(triangles) <= target and (is_closed(triangles) or not closed):
            return points, triangles
    return vertices, faces


def unpinch(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Separates sheets that touch along an edge, and removes pairs of faces that lie back to back.

    Around an edge of four faces or more, every face that runs along it is paired with one that runs against it; the
    corners that pairs connect become one vertex. Where both ends of such an edge hang together elsewhere (a tunnel
    collapsed to a line), one pair gets a vertex of its own in the middle of the edge. Input that is not wound
    consistently, or is open, comes back without further change.
    """
    faces = _without_back_to_back(faces)
    if not len(faces) or (pairs := _paired_half_edges(faces)) is None:
        return vertices, faces
    corner = np.arange(3 * len(faces))
    following = corner + np.where(corner % 3 == 2, -2, 1)
    # half edge i starts at corner i, where its opposite ends
    joined = np.concatenate([np.stack([pairs[0], following[pairs[1]]]), np.stack([following[pairs[0]], pairs[1]])], 1)
    graph = coo_array((np.ones(joined.shape[1]), tuple(joined)), shape=(len(corner), len(corner)))
    count, label = connected_components(graph, directed=False)
    source = np.zeros(count, dtype=np.int64)
    source[label] = faces.ravel()
    vertices, faces = vertices[source], label.reshape(-1, 3).astype(np.int32)
    for _ in range(8):
        if is_closed(faces):
            break
        vertices, faces = _split_doubled_edges(vertices, faces)
    return _apart(vertices, faces), faces


def _paired_half_edges(faces: Faces) -> NDArray[np.int64] | None:
    """(2, 3 m): half edges sorted by direction, and an opposite for each; None where some have none."""
    along, against = half_edges(faces)
    order, reverse = np.argsort(along, kind="stable"), np.argsort(against, kind="stable")
    return np.stack([order, reverse]) if np.array_equal(along[order], against[reverse]) else None


def _split_doubled_edges(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Each pair of faces on an edge that an earlier pair already has is split at the edge's middle, once a face."""
    pairs = _paired_half_edges(faces)
    if pairs is None:
        return vertices, faces
    along = half_edges(faces)[0][pairs[0]]
    doubled = np.flatnonzero((along[1:] == along[:-1]) & (along[1:] >> 32 < (along[1:] & 0xFFFFFFFF))) + 1
    faces, middles, extra, touched = faces.copy(), [], [], set()
    for pair in pairs[:, doubled].T:
        if touched.intersection((pair // 3).tolist()):
            continue
        touched.update((pair // 3).tolist())
        middle = len(vertices) + len(middles)
        for face, k in zip(pair // 3, pair % 3, strict=True):
            u, v, w = np.roll(faces[face], -k)
            faces[face] = u, middle, w
            extra.append((middle, v, w))
        middles.append(vertices[[u, v]].mean(0))
    if not middles:
        return vertices, faces
    return (
        np.concatenate([vertices, np.stack(middles)]).astype(np.float32),
        np.concatenate([faces, np.array(extra, dtype=np.int32)]),
    )


def _apart(vertices: Vertices, faces: Faces) -> Vertices:
    """Vertices at one place moved a tenth of the way to their own neighbors: files without indices (STL) would weld
    what was separated."""
    _, place, count = np.unique(vertices, axis=0, return_inverse=True, return_counts=True)
    twins = np.flatnonzero(count[place.ravel()] > 1)
    if not len(twins):
        return vertices
    mean = _neighbor_mean(faces, len(vertices)) @ vertices
    vertices = vertices.copy()
    vertices[twins] += (0.1 * (mean[twins] - vertices[twins])).astype(np.float32)
    return vertices


def _without_back_to_back(faces: Faces) -> Faces:
    """`faces` without those that have two equal corners, or whose mirror image is also there."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    ordered = np.sort(faces, axis=1)
    even = np.any([(np.roll(faces, k, axis=1) == ordered).all(1) for k in range(3)], axis=0)
    _, group = np.unique(ordered, axis=0, return_inverse=True)
    group = group.ravel()
    evens, odds = np.bincount(group, even), np.bincount(group, ~even)
    cancel = np.minimum(evens, odds)[group] > 0
    return faces[~cancel]
