import numpy as np
import pytest
import torch
import trimesh

from nerf.mesh_clean import drop_floaters, is_closed, signed_volumes, smooth, vertex_normals
from tests.nerf.sample_meshes import meshed, noisy, volume
from tests.nerf.soft_solids import box, leg, sphere, union


def test_small_floaters_and_bubbles_go_and_parts_stay():
    body, part = sphere(0.5, (0.0, -0.3, 0.0)), sphere(0.2, (0.0, 0.6, 0.0))
    floater, plate = sphere(0.04, (0.8, 0.8, 0.8)), box((0.3, 0.012, 0.3), (0.55, 0.45, 0.55))

    def hollow(p):
        return torch.maximum(body(p), -sphere(0.2, (0.0, -0.3, 0.0))(p))

    core = sphere(0.1, (0.0, -0.3, 0.0))  # inside the bubble
    vertices, faces = meshed(union(hollow, part, floater, plate, core), 96)
    kept_vertices, kept, removed = drop_floaters(vertices, faces)
    assert removed == 3  # floater, bubble wall, core
    assert is_closed(kept)
    expected = 4 / 3 * np.pi * (0.5**3 + 0.2**3) + 8 * 0.3 * 0.012 * 0.3
    assert signed_volumes(kept_vertices, kept).sum() == pytest.approx(expected, rel=0.03)
    assert len(np.unique(kept)) == len(kept_vertices)
    assert drop_floaters(vertices, faces, share=0.0)[2] == 2  # only what cannot be seen
    assert drop_floaters(vertices, faces, share=0.6)[2] == 5
    assert len(drop_floaters(*meshed(floater), share=0.5)[1]) > 0  # the largest always stays


def test_smoothing_does_not_shrink():
    mesh = noisy(0.5)
    smoothed = smooth(*mesh, rounds=10)
    assert volume((smoothed, mesh[1])) == pytest.approx(volume(mesh), rel=3e-3)

    def roughness(vertices):
        normals = vertex_normals(vertices, mesh[1])
        return np.linalg.norm(np.diff(normals[mesh[1]], axis=1), axis=-1).mean()

    assert roughness(smoothed) < 0.8 * roughness(mesh[0])
    thin = meshed(leg(0.06))
    assert volume((smooth(*thin, rounds=5), thin[1])) == pytest.approx(volume(thin), rel=0.03)


def test_shrinking_would_be_noticed():
    """The wrong variant: plain Laplacian smoothing, which is the first of the two steps alone."""
    mesh = meshed(leg(0.06))
    points = mesh[0]
    neighbors = trimesh.Trimesh(*mesh, process=False).vertex_neighbors
    for _ in range(5):
        points = 0.5 * points + 0.5 * np.stack([points[n].mean(0) for n in neighbors])
    assert volume((points.astype(np.float32), mesh[1])) < 0.95 * volume(mesh)


def test_is_closed_sees_holes_flips_and_doubles():
    vertices, faces = meshed(sphere(0.5), 16)
    assert is_closed(faces)
    assert not is_closed(faces[1:])
    assert not is_closed(np.concatenate([faces, faces[:1]]))
    assert not is_closed(np.concatenate([faces[:1, ::-1], faces[1:]]))
    assert not is_closed(faces[:0])
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight


def test_normals_point_outward():
    vertices, faces = meshed(sphere(0.5), 48)
    outward = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    normals = vertex_normals(vertices, faces)
    assert (normals * outward).sum(1).min() > 0.98
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-5)
