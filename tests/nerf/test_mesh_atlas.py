import numpy as np
import pytest

from nerf.mesh_atlas import Atlas, charts_of_box, charts_of_xatlas, unwrap
from nerf.mesh_clean import half_edges
from nerf.mesh_decimate import decimate
from nerf.mesh_raster import rasterize
from tests.nerf.sample_meshes import meshed, noisy
from tests.nerf.soft_solids import box, leg, sphere, union

SIZE = 512
METHODS = {"xatlas": charts_of_xatlas, "box": charts_of_box}


@pytest.fixture(scope="module")
def meshes():
    chair = union(sphere(0.4), box((0.2, 0.2, 0.2), (0.0, 0.55, 0.0)), leg(0.08))
    return {"chair": decimate(*meshed(chair), 4000), "noisy": decimate(*noisy(2.0, 40), 4000)}


def chart_of_face(atlas: Atlas):
    """Connected faces of the atlas, by brute-force flooding over shared uv corners."""
    parent = np.arange(len(atlas.uv))
    for _ in range(200):
        low = parent[atlas.faces].min(1)
        before = parent.copy()
        np.minimum.at(parent, atlas.faces.ravel(), np.repeat(low, 3))
        if np.array_equal(before, parent):
            break
    return parent[atlas.faces[:, 0]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["chair", "noisy"])
def test_charts_do_not_overlap_and_keep_their_distance(meshes, name, method):
    vertices, faces = meshes[name]
    atlas = METHODS[method](vertices, faces, SIZE)
    assert atlas.uv.min() >= 0
    assert atlas.uv.max() <= 1
    assert atlas.faces.shape == faces.shape
    chart = chart_of_face(atlas)
    assert len(np.unique(chart)) >= atlas.charts
    corners = atlas.uv[atlas.faces] * SIZE - 0.5
    inside = rasterize(corners, SIZE, SIZE)
    texel = inside.row * SIZE + inside.column
    strictly = inside.barycentric.min(1) > 1e-3
    _, count = np.unique(texel[strictly], return_counts=True)
    assert (count > 1).mean() < 2e-3
    assert len(count) > 0.25 * SIZE**2
    owner = np.full((SIZE, SIZE), -1)
    owner[inside.row, inside.column] = chart[inside.triangle]
    for axis in (0, 1):  # texels side by side never belong to two charts
        a, b = (np.take(owner, np.arange(SIZE - 1) + k, axis) for k in (0, 1))
        assert ((a != b) & (a >= 0) & (b >= 0)).mean() < 2e-4


@pytest.mark.parametrize("method", METHODS)
def test_corners_belong_to_the_same_vertices(meshes, method):
    vertices, faces = meshes["chair"]
    atlas = METHODS[method](vertices, faces, SIZE)
    owner = np.full(len(atlas.uv), -1)
    owner[atlas.faces.ravel()] = faces.ravel()
    np.testing.assert_array_equal(owner[atlas.faces], faces)
    assert (owner >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_mesh_gets_the_same_atlas(meshes, method):
    one, two = (METHODS[method](*meshes["noisy"], SIZE) for _ in range(2))
    np.testing.assert_array_equal(one.uv, two.uv)
    np.testing.assert_array_equal(one.faces, two.faces)


def test_texels_are_spent_by_area(meshes):
    """A chart's share of the texture is its share of the surface: within a factor of three for nearly all faces."""
    vertices, faces = meshes["chair"]
    a, b, c = vertices[faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    for method in METHODS.values():
        atlas = method(vertices, faces, SIZE)
        a, b, c = atlas.uv[atlas.faces].transpose(1, 0, 2)
        u, v = b - a, c - a
        flat = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
        ratio = flat / area
        big = area > np.median(area)
        assert np.quantile(ratio[big], 0.02) > np.quantile(ratio[big], 0.98) / 4


def test_charts_of_xatlas_are_small_so_that_its_time_is_bounded(meshes):
    vertices, faces = meshes["chair"]
    assert charts_of_xatlas(vertices, faces, SIZE).charts >= 60


def test_large_meshes_take_the_box(meshes):
    vertices, faces = meshes["chair"]
    assert unwrap(vertices, faces, SIZE).method == "xatlas"
    assert unwrap(vertices, faces, SIZE, most_faces=1000).method == "box"


def test_more_charts_than_the_texture_has_room_for_still_fit():
    vertices, faces = noisy(6.0, 32)
    atlas = charts_of_box(vertices, faces, 32)
    assert atlas.charts > 500
    assert 0 <= atlas.uv.min() < atlas.uv.max() <= 1


def test_open_meshes_can_be_unwrapped_too(meshes):
    vertices, faces = meshes["chair"]
    for method in METHODS.values():
        atlas = method(vertices, faces[::2].copy(), 128)
        assert len(half_edges(atlas.faces)[0]) == 3 * len(faces[::2])
