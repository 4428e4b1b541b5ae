import numpy as np
import pytest
import torch

from nerf.mesh_atlas import charts_of_box, charts_of_xatlas
from nerf.mesh_clean import vertex_normals
from nerf.mesh_decimate import decimate
from nerf.mesh_texture import absorption_depth, bake
from nerf.mesh_textured import TexturedMesh
from tests.nerf.sample_meshes import meshed
from tests.nerf.soft_solids import box, leg, sphere, union

SIZE = 512


def ramp(points):
    return 0.5 + 0.5 * points


@pytest.fixture(scope="module", params=[charts_of_xatlas, charts_of_box])
def unwrapped(request):
    shape = union(sphere(0.4), box((0.2, 0.2, 0.2), (0.0, 0.55, 0.0)), leg(0.08))
    vertices, faces = decimate(*meshed(shape), 3000)
    return vertices, faces, request.param(vertices, faces, SIZE)


def textured(vertices, faces, atlas, texture):
    return TexturedMesh(vertices, faces, vertex_normals(vertices, faces), atlas.uv, atlas.faces, texture)


def random_points(faces, count, *, on_edges):
    rng = np.random.default_rng(0)
    face = rng.integers(0, len(faces), count)
    weights = rng.dirichlet([1, 1, 1], count)
    if on_edges:
        weights[np.arange(count), rng.integers(0, 3, count)] = 0
        weights /= weights.sum(1, keepdims=True)
    return face, weights.astype(np.float32)


def color_errors(mesh, *, on_edges):
    face, weights = random_points(mesh.faces, 20_000, on_edges=on_edges)
    points = np.einsum("nk,nkd->nd", weights, mesh.vertices[mesh.faces[face]])
    return np.abs(mesh.color(face, weights) - ramp(points)).max(1)


@pytest.mark.parametrize("on_edges", [False, True])
def test_colors_at_surface_points_are_the_fields(unwrapped, on_edges):
    """Within the rounding of a byte and half a texel of the ramp, on seams as well as within charts."""
    mesh = textured(*unwrapped, bake(ramp, *unwrapped, SIZE))
    errors = color_errors(mesh, on_edges=on_edges)
    assert np.quantile(errors, 0.999) < 0.012
    assert errors.max() < 0.05


def test_undilated_and_mirrored_textures_are_noticed(unwrapped):
    """The wrong variants: white outside the charts, and the picture upside down."""
    vertices, faces, atlas = unwrapped
    whole = bake(ramp, vertices, faces, atlas, SIZE)
    assert color_errors(textured(vertices, faces, atlas, whole[::-1].copy()), on_edges=False).mean() > 0.1
    from nerf.mesh_raster import rasterize

    corners = atlas.uv[atlas.faces] * [SIZE, -SIZE] + [-0.5, SIZE - 0.5]
    cover = rasterize(corners, SIZE, SIZE)
    white = np.full_like(whole, 255)
    white[cover.row, cover.column] = whole[cover.row, cover.column]
    assert np.quantile(color_errors(textured(vertices, faces, atlas, white), on_edges=True), 0.95) > 0.1


def test_no_texel_is_left_without_a_color(unwrapped):
    texture = bake(lambda p: torch.tensor([0.2, 0.6, 0.4]).expand(len(p), 3), *unwrapped, SIZE)
    assert (texture == np.array([51, 153, 102])).all()


@pytest.mark.parametrize("rate", [60.0, 120.0])
def test_absorption_depth_of_a_half_space(rate):
    """Constant density below the plane z = 0 has absorbed half at log 2 / density."""
    rng = np.random.default_rng(0)
    vertices = np.concatenate([rng.uniform(-0.5, 0.5, (50, 2)), np.zeros((50, 1))], 1).astype(np.float32)
    normals = np.tile(np.array([0, 0, 1], dtype=np.float32), (50, 1))
    depth = absorption_depth(lambda p: rate * (p[:, 2] < 0), vertices, normals, 0.02)
    np.testing.assert_allclose(depth, np.log(2) / rate, atol=0.003)


def test_absorption_depth_without_any_density_is_the_surface():
    vertices = np.zeros((3, 3), dtype=np.float32)
    normals = np.tile(np.array([0, 0, 1], dtype=np.float32), (3, 1))
    assert (absorption_depth(lambda p: 0 * p[:, 0], vertices, normals, 0.02) == 0).all()


def test_colors_come_from_where_rays_are_absorbed():
    """A red ball in a thin dark shell: read on the surface itself, the wrong variant, the texture would be black."""
    from nerf.isosurface import sample, surface

    def density(p):
        r = p.norm(dim=-1)
        return torch.where(r < 0.5, 400.0, torch.where(r < 0.54, 6.0, 0.0))

    def albedo(p):
        return (p.norm(dim=-1) < 0.5)[:, None] * torch.tensor([0.9, 0.1, 0.1])

    vertices, faces = decimate(*surface(sample(density, 96), 3.0, density), 3000)
    normals = vertex_normals(vertices, faces)
    atlas = charts_of_xatlas(vertices, faces, 128)
    depth = absorption_depth(density, vertices, normals, 2 / 95)
    good = bake(albedo, vertices - depth[:, None] * normals, faces, atlas, 128)
    bad = bake(albedo, vertices, faces, atlas, 128)
    assert good[..., 0].mean() > 200
    assert bad[..., 0].mean() < 60
