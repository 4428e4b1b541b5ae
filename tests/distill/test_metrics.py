import math

import numpy as np
import pytest
import torch

from distill.metrics import (
    chamfer_l1,
    fscore,
    iou,
    nearest_distances,
    psnr,
    sample_faces,
    score_mesh,
    solid_cells,
)
from nerf.mesh_textured import TexturedMesh


def box_mesh(low, high):
    """A closed box: vertices (8, 3), faces (12, 3), counterclockwise from outside."""
    vertices = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32)
    return (np.array(low) + vertices * (np.array(high) - np.array(low))).astype(np.float32), faces


def inside_box(low, high):
    return lambda p: ((p > torch.tensor(low)) & (p < torch.tensor(high))).all(-1)


def sphere_mesh(radius, rings=64):
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    points = radius * np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    index = np.arange(points[..., 0].size).reshape(theta.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def sphere_points(radius, count, generator):
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    return radius * directions, (directions + 1) / 2


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_iou_of_offset_boxes():
    vertices, faces = box_mesh((-0.5, -0.4, -0.3), (0.5, 0.4, 0.3))
    shifted = inside_box((-0.25, -0.4, -0.3), (0.75, 0.4, 0.3))
    assert iou(vertices, faces, shifted) == pytest.approx(0.75 / 1.25, abs=0.01)
    assert iou(vertices, faces, inside_box((-0.5, -0.4, -0.3), (0.5, 0.4, 0.3))) > 0.97
    assert iou(vertices, faces, inside_box((0.6, 0.5, 0.5), (0.9, 0.9, 0.9))) == 0


def test_iou_is_not_aligned_or_transposed():
    """The wrong variants: grids whose axes are swapped, and meshes that are first centered."""
    low, high = (-0.8, -0.1, -0.3), (0.6, 0.5, 0.0)
    vertices, faces = box_mesh(low, high)
    assert iou(vertices, faces, inside_box(low, high)) > 0.95
    for order in ((1, 0, 2), (2, 1, 0), (0, 2, 1)):
        swapped = inside_box(tuple(low[k] for k in order), tuple(high[k] for k in order))
        assert iou(vertices, faces, swapped) < 0.5
    assert iou(vertices - vertices.mean(0), faces, inside_box(low, high)) < 0.6


@pytest.mark.parametrize("resolution", [32, 128])
def test_solid_cells_of_a_sphere_are_exact(resolution):
    cells = solid_cells(*sphere_mesh(0.7), resolution)
    centers = (np.arange(resolution) + 0.5) / resolution * 2 - 1
    radius = np.sqrt(sum(np.meshgrid(centers**2, centers**2, centers**2, indexing="ij")))
    wrong = cells != (radius < 0.7)
    assert not wrong[np.abs(radius - 0.7) > 0.003].any()
    assert cells.any()


def test_solid_cells_handle_meshes_on_the_grid_itself():
    """Vertices and edges exactly under the columns, as cubes have them."""
    half = 0.5 + 1 / 64  # cell centers of 32 cells lie at odd multiples of 1 / 32
    vertices, faces = box_mesh((-half,) * 3, (half,) * 3)
    cells = solid_cells(vertices, faces, 32)
    centers = (np.arange(32) + 0.5) / 16 - 1
    clear = np.abs(np.abs(centers) - half) > 1e-3
    inner = np.abs(centers) < half
    expected = inner[:, None, None] & inner[None, :, None] & inner[None, None, :]
    keep = clear[:, None, None] & clear[None, :, None] & clear[None, None, :]
    assert (cells == expected)[keep].all()


def test_overlapping_parts_and_inverted_parts_are_solid():
    """Parity, the wrong variant, would make the overlap hollow."""
    one, two = box_mesh((-0.5,) * 3, (0.2,) * 3), box_mesh((-0.2,) * 3, (0.5,) * 3)
    vertices, faces = np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1] + 8])
    assert solid_cells(vertices, faces, 32)[16, 16, 16]
    assert solid_cells(*one, 32).sum() == solid_cells(one[0], one[1][:, ::-1], 32).sum() > 0
    hollow = np.concatenate([one[1], two[1][:, ::-1] + 8])
    assert not solid_cells(vertices, hollow, 32)[16, 16, 16]


def test_meshes_that_leave_the_box_count_inside_it():
    assert solid_cells(*box_mesh((-2, -2, -2), (2, 2, 2)), 16).all()
    assert not solid_cells(*box_mesh((1.5, 1.5, 1.5), (2, 2, 2)), 16).any()


def test_chamfer_and_fscore_of_spheres(generator):
    vertices, faces = sphere_mesh(0.5)
    face, weights = sample_faces(vertices, faces, 20_000, generator)
    found = np.einsum("nk,nkd->nd", weights, vertices[faces[face]])
    for radius, expected in ((0.55, 0.05), (0.7, 0.2)):
        true, _ = sphere_points(radius, 20_000, generator)
        to_true, to_found, _ = nearest_distances(found, true.numpy())
        assert chamfer_l1(to_true, to_found) == pytest.approx(expected, rel=0.03)
        assert fscore(to_true, to_found, expected * 0.9) == 0
        assert fscore(to_true, to_found, expected * 1.2) == 1
    assert chamfer_l1(np.array([0.1, 0.3]), np.array([0.6])) == pytest.approx(0.4)  # a mean, not a sum


def test_fscore_is_the_harmonic_mean():
    near, far = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0])
    assert fscore(near, far, 0.5) == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert fscore(np.ones(3), np.ones(3), 0.5) == 0


def test_samples_are_uniform_by_area(generator):
    """Two triangles of areas 1 and 3, a uniform law within each; the wrong variant, sampling per face, gives 1:1."""
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 5], [2, 0, 5], [0, 3, 5]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [3, 4, 5]], dtype=np.int32)
    face, weights = sample_faces(vertices, faces, 40_000, generator)
    assert (face == 1).mean() == pytest.approx(0.75, abs=0.01)
    np.testing.assert_allclose(weights.mean(0), 1 / 3, atol=0.005)
    np.testing.assert_allclose((weights**2).mean(0), 1 / 6, atol=0.005)
    assert weights.min() >= 0


def test_score_of_a_colored_sphere(generator):
    """A texture that is right, and one with two channels swapped."""
    vertices, faces = sphere_mesh(0.5, 48)
    size = 256
    v, u = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size, indexing="ij")
    theta, phi = np.pi * v, 2 * np.pi * u
    directions = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    texture = ((directions + 1) / 2 * 255).round().astype(np.uint8)
    grid = np.meshgrid(np.linspace(1, 0, 49), np.linspace(0, 1, 97), indexing="ij")
    uv = np.stack([grid[1], grid[0]], -1).reshape(-1, 2).astype(np.float32)
    mesh = TexturedMesh(vertices, faces, vertices / 0.5, uv, faces, texture)

    def truth(count, g):
        return sphere_points(0.5, count, g)

    def inside(p):
        return p.norm(dim=-1) < 0.5

    score = score_mesh(mesh, inside, truth, generator)
    assert score.iou > 0.97
    assert score.chamfer_l1 < 0.01
    assert score.fscore == 1
    assert score.color_error < 0.02
    wrong = TexturedMesh(vertices, faces, vertices / 0.5, uv, faces, texture[..., [1, 0, 2]].copy())
    assert score_mesh(wrong, inside, truth, generator).color_error > 0.1


def test_psnr():
    picture = torch.zeros(2, 3, 4, 4)
    assert psnr(picture, picture) == math.inf
    assert psnr(picture + 0.1, picture) == pytest.approx(20, abs=1e-3)


def test_psnr_does_not_depend_on_the_number_of_threads():
    """Of these sixteen pairs torch's own mean changes some, on a machine with two cores."""
    pairs = torch.rand(16, 2, 4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    one = [psnr(*pair) for pair in pairs]
    torch.set_num_threads(2)  # the next test starts with one again
    assert [psnr(*pair) for pair in pairs] == one
