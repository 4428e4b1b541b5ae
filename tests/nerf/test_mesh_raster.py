import numpy as np
import pytest

from nerf import mesh_raster
from nerf.mesh_raster import rasterize


def segment_distance(p, a, b):
    t = np.clip(np.dot(p - a, b - a) / np.dot(b - a, b - a), 0, 1)
    return np.linalg.norm(p - a - t * (b - a))


def random_triangles(count, size, seed=0):
    rng = np.random.default_rng(seed)
    center = rng.uniform(-3, size + 3, (count, 1, 2))
    return center + rng.normal(0, 4, (count, 3, 2))


def test_covers_what_brute_force_covers():
    triangles = random_triangles(40, 20)
    cover = rasterize(triangles, 20, 15)
    found = set(zip(cover.triangle.tolist(), cover.column.tolist(), cover.row.tolist(), strict=True))
    expected = set()
    for k, (a, b, c) in enumerate(triangles):
        for x in range(20):
            for y in range(15):
                weights = np.linalg.solve(np.stack([np.append(q, 1) for q in (a, b, c)], 1), [x, y, 1])
                if (weights >= 0).all():
                    expected.add((k, x, y))
    assert found == expected
    assert len(found) > 100


def test_barycentric_coordinates_give_the_point_back():
    triangles = random_triangles(40, 20)
    cover = rasterize(triangles, 20, 20, margin=1.5)
    back = np.einsum("nk,nkd->nd", cover.barycentric, triangles[cover.triangle])
    np.testing.assert_allclose(back, np.stack([cover.column, cover.row], -1), atol=1e-6)
    np.testing.assert_allclose(cover.barycentric.sum(1), 1, atol=1e-6)


def test_margin_reaches_all_points_that_near():
    triangles = random_triangles(10, 20, seed=1)
    cover = rasterize(triangles, 20, 20, margin=1.5)
    found = set(zip(cover.triangle.tolist(), cover.column.tolist(), cover.row.tolist(), strict=True))
    for k, (a, b, c) in enumerate(triangles):
        for x in range(20):
            for y in range(20):
                p = np.array([x, y], dtype=float)
                nearest = min(segment_distance(p, *edge) for edge in ((a, b), (b, c), (c, a)))
                assert nearest > 1.5 - 1e-9 or (k, x, y) in found
    assert cover.outside.max() <= 1.5
    assert (cover.outside[(cover.barycentric >= 0).all(1)] == 0).all()


def test_batches_do_not_change_the_result(monkeypatch):
    triangles = random_triangles(200, 64)
    whole = rasterize(triangles, 64, 64)
    monkeypatch.setattr(mesh_raster, "MOST_CANDIDATES", 100)
    for a, b in zip(whole, rasterize(triangles, 64, 64), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "corners", [[[1, 1], [1, 1], [1, 1]], [[0, 0], [2, 2], [4, 4]], [[-9, -9], [-8, -9], [-8, -8]]]
)
def test_nothing_lies_in_flat_or_distant_triangles(corners):
    assert len(rasterize(np.array([corners], dtype=float), 8, 8).triangle) == 0
    assert len(rasterize(np.zeros((0, 3, 2)), 8, 8).triangle) == 0
