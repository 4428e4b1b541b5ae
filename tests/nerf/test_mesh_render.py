import math

import numpy as np
import pytest
import torch

from nerf.cameras import Cameras
from nerf.isosurface import sample, surface
from nerf.mesh_clean import vertex_normals
from nerf.mesh_render import Caster, render
from nerf.mesh_textured import TexturedMesh
from tests.nerf.soft_solids import ring, soft, sphere

RADIUS = 0.5


@pytest.fixture(scope="module")
def ball():
    """A sphere, red in front (z > 0) and blue behind, by two texels far from each other in an 8 x 8 texture."""
    density = soft(sphere(RADIUS), 200.0, 1e-3)
    vertices, faces = surface(sample(density, 80), 100.0, density)
    texture = np.zeros((8, 8, 3), dtype=np.uint8)
    texture[:, :4], texture[:, 4:] = (255, 0, 0), (0, 0, 255)
    front = vertices[faces].mean(1)[:, 2] > 0
    uv = np.array([[0.1, 0.5], [0.9, 0.5]], dtype=np.float32)
    uv_faces = np.where(front, 0, 1)[:, None].repeat(3, 1).astype(np.int32)
    return TexturedMesh(vertices, faces, vertex_normals(vertices, faces), uv, uv_faces, texture)


def exact(cameras, size):
    """Depth, 0 for a miss, and normals of the ideal sphere: (V, size, size), (V, size, size, 3)."""
    o, d = cameras.rays(size)
    b = (o * d).sum(-1)
    root = b * b - (o * o).sum(-1) + RADIUS**2
    depth = torch.where(root > 0, -b - root.clamp(min=0).sqrt(), 0)
    return depth, (o + depth[..., None] * d) / RADIUS, d


def test_pictures_of_a_sphere(ball):
    cameras, size = ring(3), 64
    picture = render(ball, cameras, size, supersample=1)
    depth, normal, direction = exact(cameras, size)
    sure = (depth > 0) & (-(normal * direction).sum(-1) > 0.2)
    assert (picture.opacity[:, 0] - (depth > 0).float()).abs().mean() < 5e-3
    assert (picture.depth[:, 0] - depth)[sure].abs().max() < 0.01
    assert (picture.normal.permute(0, 2, 3, 1) - normal)[sure].abs().max() < 0.05
    light = 0.45 - 0.55 * (normal * direction).sum(-1)
    place = normal[..., 2]
    front, back = sure & (place > 0.1), sure & (place < -0.1)
    assert front.any()
    assert back.any()
    for mask, channel in ((front, 0), (back, 2)):
        assert (picture.rgb[:, channel][mask] - light[mask]).abs().max() < 0.03
        assert picture.rgb[:, 1][mask].max() < 1e-6
    missed = picture.opacity[:, 0] == 0
    assert (picture.rgb.permute(0, 2, 3, 1)[missed] == 1).all()
    assert (picture.depth[:, 0][missed] == 0).all()


def test_pictures_are_not_mirrored(ball):
    """An upright ray of the camera at +x sees +z at its left."""
    camera = Cameras(*(torch.tensor([v]) for v in (math.pi / 2, 0.0, 3.2, 0.5)))
    rgb = render(ball, camera, 32, supersample=1).rgb[0]
    assert rgb[0, 16, 10] > rgb[2, 16, 10]
    assert rgb[2, 16, 22] > rgb[0, 16, 22]
    lifted = TexturedMesh(
        ball.vertices + np.float32([0, 0.4, 0]), ball.faces, ball.normals, ball.uv, ball.uv_faces, ball.texture
    )
    opacity = render(lifted, camera, 32, supersample=1).opacity[0, 0]
    assert opacity[:16].sum() > 3 * opacity[16:].sum()


def test_supersampling_gives_coverage_at_the_edge(ball):
    cameras = ring(1)
    fine = render(ball, cameras, 192, supersample=1).opacity
    truth = torch.nn.functional.avg_pool2d(fine, 6)
    rough, smooth = (render(ball, cameras, 32, supersample=s).opacity for s in (1, 6))
    assert (rough - truth).abs().max() > 0.3
    assert (smooth - truth).abs().max() < 0.05
    covered = render(ball, cameras, 32, supersample=6)
    edge = (covered.opacity > 0.3) & (covered.opacity < 0.7)
    assert edge.any()
    assert covered.depth[edge].min() > 2.5  # the covered part's depth, not its mean with nothing


def test_background_and_plain_albedo(ball):
    picture = render(ball, ring(1), 32, background=(0.0, 0.5, 1.0), lit=False)
    assert picture.rgb[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert picture.rgb[0, 0, 16, 16] == pytest.approx(1.0)


def test_a_camera_inside_or_close_still_works(ball):
    camera = Cameras(*(torch.tensor([v]) for v in (0.0, 0.0, 0.1, 0.7)))
    assert render(ball, camera, 16).opacity.min() == 1
    near = Cameras(*(torch.tensor([v]) for v in (0.0, 0.0, 0.75, 1.0)))
    assert render(ball, near, 32).opacity.mean() > 0.5


def test_caster_reports_corners_in_order():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    hits = Caster(vertices, np.array([[0, 1, 2]])).cast([[0.2, 0.3, 1.0], [0.9, 0.9, 1.0]], [[0, 0, -1.0]] * 2)
    assert hits.face.tolist() == [0, -1]
    np.testing.assert_allclose(hits.barycentric[0], [0.5, 0.2, 0.3], atol=1e-6)
    assert hits.distance[0] == pytest.approx(1)


def test_texture_lookup_is_bilinear_with_its_origin_at_the_bottom_left():
    texture = np.zeros((2, 4, 3), dtype=np.uint8)
    texture[1, 0], texture[0, 3] = 255, 100
    mesh = TexturedMesh(*(np.zeros((3, 3), np.float32), np.zeros((1, 3), np.int32), np.zeros((3, 3), np.float32)),
                        np.zeros((3, 2), np.float32), np.zeros((1, 3), np.int32), texture)  # fmt: skip
    at = np.array([[0.125, 0.25], [0.875, 0.75], [0.25, 0.25], [0.125, 0.5], [-1, -1]])
    np.testing.assert_allclose(mesh.lookup(at)[:, 0], [1, 100 / 255, 0.5, 0.5, 1], atol=1e-6)
