"""Fewer faces without opening a closed mesh."""

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nerf.mesh_clean import Faces, Vertices, compact, half_edges, is_closed, neighbor_mean


def decimate(vertices: Vertices, faces: Faces, target: int) -> tuple[Vertices, Faces]:
    """At most `target` faces by quadric edge collapse (Garland & Heckbert 1997); a closed mesh stays closed.

    The collapse can pinch sheets together, which `unpinch` undoes at the cost of a few faces: then the next round
    aims lower. Where no round gets there, the smallest mesh that is still closed is the result.
    """
    best = compact(*unpinch(vertices, faces))
    closed = is_closed(best[1])
    source = vertices.astype(np.float64)
    for share in (1.0, 0.97, 0.9, 0.75):
        if len(best[1]) <= target:
            break
        points, triangles = fast_simplification.simplify(source, faces, target_count=int(share * target))[:2]
        points, triangles = compact(*unpinch(points.astype(np.float32), triangles.astype(np.int32)))
        if 0 < len(triangles) < len(best[1]) and (is_closed(triangles) or not closed):
            best = points, triangles
    return best


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
    mean = neighbor_mean(faces, len(vertices)) @ vertices
    vertices = vertices.copy()
    vertices[twins] += (0.1 * (mean[twins] - vertices[twins])).astype(np.float32)
    return vertices


def _without_back_to_back(faces: Faces) -> Faces:
    """`faces` without those that have two equal corners, and without pairs that are each other's mirror image."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    ordered = np.sort(faces, axis=1)
    even = np.any([(np.roll(faces, k, axis=1) == ordered).all(1) for k in range(3)], axis=0)
    _, group = np.unique(ordered, axis=0, return_inverse=True)
    group = group.ravel()
    pairs = np.minimum(np.bincount(group, even), np.bincount(group, ~even))[group]
    kind = 2 * group + even
    order = np.argsort(kind, kind="stable")
    rank = np.empty(len(faces), dtype=np.int64)
    rank[order] = np.arange(len(faces)) - np.searchsorted(kind[order], kind[order])
    return faces[rank >= pairs]
