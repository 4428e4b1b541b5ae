import fast_simplification
import numpy as np
import pytest
import trimesh

from nerf.mesh_clean import compact, is_closed, signed_volumes
from nerf.mesh_decimate import decimate, unpinch
from tests.nerf.sample_meshes import meshed, noisy, volume
from tests.nerf.soft_solids import sphere


def welded(vertices, faces):
    """As a reader of a file without indices sees it."""
    return trimesh.Trimesh(vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3), process=True)


def tetrahedron(corners):
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32)
    if signed_volumes(np.array(corners, dtype=np.float32), faces).sum() < 0:
        faces = faces[:, ::-1]
    return faces


@pytest.mark.parametrize("amplitude", [0.5, 2.0, 6.0])
def test_decimation_keeps_meshes_closed(amplitude):
    mesh = noisy(amplitude)
    assert is_closed(mesh[1])
    vertices, faces = decimate(*mesh, 3000)
    assert 2000 < len(faces) <= 3000
    assert is_closed(faces)
    assert volume((vertices, faces)) == pytest.approx(volume(mesh), rel=0.05)
    assert welded(vertices, faces).is_watertight
    assert len(np.unique(faces)) == len(vertices)


def test_the_collapse_alone_does_not():
    """The wrong variant, so that the test above is known to be hard enough."""
    vertices, faces = noisy(6.0)
    _, collapsed = fast_simplification.simplify(vertices, faces, target_count=3000)
    assert not is_closed(collapsed)


def test_small_meshes_are_not_decimated():
    mesh = meshed(sphere(0.5), 16)
    vertices, faces = decimate(*mesh, 10_000)
    assert len(faces) == len(mesh[1])
    assert volume((vertices, faces)) == pytest.approx(volume(mesh))


def test_budgets_out_of_reach_still_give_a_small_closed_mesh():
    _, faces = decimate(*noisy(2.0, 32), 4)
    assert is_closed(faces)
    assert len(faces) < 500


def test_unpinch_separates_solids_that_share_an_edge():
    corners = [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1], [-1, 0, 0], [-1, 0, -1]]
    vertices = np.array(corners, dtype=np.float32)
    one, two = np.array([0, 1, 2, 3]), np.array([0, 1, 4, 5])
    faces = np.concatenate([k[tetrahedron(vertices[k])] for k in (one, two)]).astype(np.int32)
    assert not is_closed(faces)
    found_vertices, found = unpinch(vertices, faces)
    assert is_closed(found)
    assert len(found_vertices) == 8
    assert welded(found_vertices, found).is_watertight
    assert volume((found_vertices, found)) == pytest.approx(volume((vertices, faces)), rel=0.2)


def test_unpinch_splits_edges_whose_ends_hang_together():
    """A closed ring of three solids around one doubled edge stays one piece, and becomes closed."""
    vertices, faces = noisy(6.0, 40)
    points, collapsed = fast_simplification.simplify(vertices, faces, target_count=600)
    found_vertices, found = unpinch(points.astype(np.float32), collapsed.astype(np.int32))
    assert is_closed(found)
    assert welded(*compact(found_vertices, found)).is_watertight


def test_unpinch_removes_faces_back_to_back_and_leaves_open_meshes():
    vertices = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]], dtype=np.float32)
    solid = tetrahedron(vertices)
    flap = np.array([[0, 1, 2], [2, 1, 0], [0, 0, 1]], dtype=np.int32)
    found = unpinch(vertices, np.concatenate([solid, flap]))[1]
    assert is_closed(found)
    assert len(found) == len(solid)
    opened = solid[:-1]
    assert np.array_equal(unpinch(vertices, opened)[1], opened)
