import math

import numpy as np
import pytest
import torch

from nerf.cameras import orbit
from nerf.isosurface import (
    evaluate,
    fill_hidden,
    level_from_columns,
    level_from_views,
    match_silhouette,
    ray_maxima,
    sample,
    surface,
)
from nerf.mesh_clean import is_closed, signed_volumes
from tests.nerf.soft_solids import box, leg, opacity, ring, soft, sphere, union

SIZE = 48
PIXEL = 2 * 3.2 * math.tan(0.35) / SIZE  # of a picture, at the origin


def extracted(density, resolution=64):
    grid = sample(density, resolution)
    level = level_from_views(grid, ring(), opacity(density, ring(), SIZE))
    return surface(grid, level.value, density), level


def silhouette_radius(density):
    """Where a ray that passes the origin at distance b along z turns half opaque."""
    z = torch.linspace(-1, 1, 2001)
    near, far = 0.0, 1.0
    for _ in range(20):
        b = (near + far) / 2
        ray = torch.stack([torch.full_like(z, b), torch.zeros_like(z), z], -1)
        thick = float(torch.trapezoid(density(ray), z)) > math.log(2)
        near, far = (b, far) if thick else (near, b)
    return near


@pytest.mark.parametrize("width", [0.001, 0.02, 0.05])
@pytest.mark.parametrize("strength", [10.0, 100.0, 500.0])
def test_surface_lies_where_grazing_rays_turn_half_opaque(strength, width):
    density = soft(sphere(0.6), strength, width)
    (vertices, faces), level = extracted(density)
    radii = np.linalg.norm(vertices, axis=1)
    assert level.iou > 0.99
    assert abs(radii.mean() - silhouette_radius(density)) < PIXEL / 4
    assert radii.std() < 1e-3
    assert is_closed(faces)
    assert 0 < signed_volumes(vertices, faces).sum() < 4 / 3 * math.pi * radii.max() ** 3


def test_no_fixed_level_would_do():
    """The wrong variants: a hand-tuned level, and half of the largest density."""
    for choose in (lambda strength: 10.0, lambda strength: strength / 2):
        worst = 0.0
        for strength, width in ((20.0, 0.05), (500.0, 0.05)):
            density = soft(sphere(0.6), strength, width)
            vertices, _ = surface(sample(density, 48), choose(strength), density)
            worst = max(worst, abs(np.linalg.norm(vertices, axis=1).mean() - silhouette_radius(density)))
        assert worst > PIXEL


@pytest.mark.parametrize("radius", [0.04, 0.08])
def test_thin_legs_keep_their_thickness(radius):
    density = soft(leg(radius), 300.0, 0.005)
    (vertices, faces), _ = extracted(density, 96)
    middle = vertices[np.abs(vertices[:, 1]) < 0.4]
    across = np.linalg.norm(middle[:, [0, 2]], axis=1)
    assert abs(across.mean() - silhouette_radius(density)) < PIXEL / 3
    assert is_closed(faces)


def test_box_keeps_its_sides():
    vertices, faces = extracted(soft(box((0.5, 0.3, 0.4)), 3000.0, 0.001))[0]
    assert np.abs(vertices.max(0) - [0.5, 0.3, 0.4]).max() < PIXEL / 2
    assert signed_volumes(vertices, faces).sum() == pytest.approx(8 * 0.5 * 0.3 * 0.4, rel=0.08)


def test_level_without_pictures_agrees():
    density = soft(sphere(0.6), 100.0, 0.02)
    grid = sample(density, 64)
    vertices, _ = surface(grid, level_from_columns(grid).value, density)
    assert abs(np.linalg.norm(vertices, axis=1).mean() - silhouette_radius(density)) < 0.01


def test_match_is_the_best_of_all_levels():
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        opaque = torch.rand(60, generator=rng)
        maxima = (opaque + 0.5 * torch.randn(60, generator=rng)).clamp(min=0).mul(8).round() / 8  # with ties
        level = match_silhouette(maxima, opaque)

        def iou(value, maxima=maxima, opaque=opaque):
            found, true = maxima > value, opaque > opaque.max() / 2
            return float((found & true).sum() / (found | true).sum())

        assert iou(level.value) == pytest.approx(level.iou)
        assert level.iou == pytest.approx(max(iou(v) for v in torch.linspace(0.001, 3, 400).tolist()))


def test_faint_fields_still_give_a_mesh():
    density = soft(sphere(0.5), 0.25, 0.02)
    pictures = opacity(density, ring(), SIZE)
    assert 0.1 < pictures.max() < 0.5
    (vertices, faces), _ = extracted(density)
    assert len(faces) > 1000
    assert np.linalg.norm(vertices, axis=1).max() < 0.6


def test_a_field_that_fills_the_box_is_closed_at_its_border():
    (vertices, faces), _ = extracted(lambda p: torch.full_like(p[:, 0], 5.0), 32)
    assert is_closed(faces)
    assert np.abs(vertices).max() <= 1
    assert signed_volumes(vertices, faces).sum() == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize("strength", [0.0, 1e-4])
def test_empty_fields_are_refused(strength):
    density = soft(sphere(0.5), strength, 0.02)
    with pytest.raises(ValueError, match="empty"):
        extracted(density)
    with pytest.raises(ValueError, match="empty"):
        level_from_columns(sample(density, 32))


def test_broken_input_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        sample(lambda p: p[:, 0] / 0, 16)
    with pytest.raises(ValueError, match="at least 8"):
        sample(soft(sphere(0.5)), 4)
    with pytest.raises(ValueError, match="do not fit"):
        level_from_views(sample(soft(sphere(0.5)), 16), ring(3), torch.zeros(4, 1, 8, 8))
    with pytest.raises(ValueError, match="lower level"):
        surface(sample(soft(sphere(0.5)), 16), 1e6)


def test_grid_is_indexed_x_y_z():
    grid = sample(lambda p: 2 + p[:, 0] + 0.1 * p[:, 1] + 0.01 * p[:, 2], 9)
    assert grid[7, 4, 1] == pytest.approx(2 + 0.75 + 0 - 0.0075, abs=1e-5)
    assert grid[8].max() == grid[:, :, 0].max() == 0


def test_ray_maxima_are_those_of_a_dense_march():
    rng = torch.Generator().manual_seed(1)
    grid = sample(lambda p: torch.exp(-8 * (p - torch.tensor([0.3, -0.2, 0.1])).square().sum(-1)), 80)
    directions = torch.nn.functional.normalize(torch.randn(200, 3, generator=rng), dim=-1)
    directions[:3] = torch.eye(3)  # along the axes, where the box test divides by zero
    origins = 0.4 * torch.randn(200, 3, generator=rng) - 3 * directions
    t = torch.linspace(0, 6, 4000)
    points = origins[:, None] + t[:, None] * directions[:, None]
    dense = torch.exp(-8 * (points - torch.tensor([0.3, -0.2, 0.1])).square().sum(-1))
    dense = (dense * (points.abs() <= 1).all(-1)).amax(1)
    assert (ray_maxima(grid, origins, directions) - dense).abs().max() < 0.01


def test_steep_densities_do_not_stick_to_the_grid():
    """Without the refinement, which is the wrong variant, a hard boundary follows the cells."""
    density = soft(sphere(0.6), 100.0, 1e-4)
    grid = sample(density, 48)
    rough, fine = (np.linalg.norm(surface(grid, 3.0, d)[0], axis=1) for d in (None, density))
    assert rough.std() > 5e-3
    assert np.abs(fine - 0.6).max() < 3e-3


def test_evaluate_chunks_and_detaches():
    scale = torch.ones(1, requires_grad=True)
    points = np.random.default_rng(0).standard_normal((1000, 3))
    found = evaluate(lambda p: p * scale, points, "cpu", chunk=64)
    np.testing.assert_allclose(found, points.astype(np.float32))


def test_hidden_nodes_are_those_with_every_way_blocked():
    """Brute force, one node and one eye at a time, on random blocks."""
    generator = torch.Generator().manual_seed(0)
    grid = (torch.rand(12, 12, 12, generator=generator) < 0.35).float().numpy()
    grid[[0, -1]] = grid[:, [0, -1]] = grid[:, :, [0, -1]] = 0
    eyes = ring(3).position
    filled = fill_hidden(grid, 0.5, eyes)

    def seen(node: tuple[int, ...], eye: torch.Tensor) -> bool:
        away = (eye + 1) * 5.5 - torch.tensor(node)
        away = away / away.abs().max()
        for k in range(1, 12):
            at = (torch.tensor(node) + 0.5 + k * away).floor().int().tolist()
            if min(at) < 0 or max(at) > 11:
                return True
            if grid[tuple(at)] > 0.5:
                return False
        return True

    low, high = (f(np.argwhere(grid > 0.5), 0) for f in (np.min, np.max))
    found = 0
    for node in np.ndindex(12, 12, 12):
        inside = bool((np.array(node) >= low).all() and (np.array(node) <= high).all())
        hides = inside and grid[node] < 0.5 and not any(seen(node, eye) for eye in eyes)
        assert filled[node] == (1.0 if hides or grid[node] > 0.5 else 0.0)
        found += hides
    assert found > 50


def test_a_hollow_is_filled_where_none_can_look_and_kept_where_they_can():
    """A pot, open below: from above it is a solid block, from below it stays a pot."""
    pot = union(box((0.6, 0.1, 0.6), (0, 0.5, 0)), *(box((0.1, 0.6, 0.6), (x, 0, 0)) for x in (-0.5, 0.5)))
    pot = union(pot, *(box((0.6, 0.6, 0.1), (0, 0, z)) for z in (-0.5, 0.5)))
    grid = sample(soft(pot), 48)
    above, below = (orbit(12, elevation=e, distance=3.2, fov=0.7).position for e in (0.4, -1.2))
    whole, hollow = 1.2**3, 1.2**3 - 0.8**2
    bare, closed, open_below = (
        8 * float((g > 100).mean()) for g in (grid, fill_hidden(grid, 100.0, above), fill_hidden(grid, 100.0, below))
    )
    assert bare == pytest.approx(hollow, rel=0.1)
    assert closed == pytest.approx(whole, rel=0.1)
    assert open_below == pytest.approx(hollow, rel=0.1)


def test_filled_walls_stay_between_the_nodes():
    """The mutant bisects the density along their edges, finds none, and gathers up to six vertices at a node."""
    density = soft(union(box((0.6, 0.1, 0.6), (0, 0.5, 0)), box((0.6, 0.1, 0.6), (0, -0.5, 0))))
    eyes = orbit(12, elevation=1.2, distance=3.2, fov=0.7).position  # look down on two plates: between them is dark
    grid = fill_hidden(sample(density, 48), 100.0, eyes)
    vertices, faces = surface(grid, 100.0, density)
    assert is_closed(faces)
    between = np.abs(vertices[:, 1]) < 0.3
    assert between.sum() > 100
    cell = 2 / 47
    off = np.abs((vertices[between] + 1) / cell - np.round((vertices[between] + 1) / cell)).max(1)
    assert off.min() > 0.2
