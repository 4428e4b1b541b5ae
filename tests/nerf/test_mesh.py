import numpy as np
import pytest
import torch

from nerf.mesh import STAGES, FieldViews, compare, extract
from nerf.mesh_clean import is_closed, signed_volumes
from nerf.mesh_render import render
from tests.nerf.soft_solids import box, opacity, ring, soft, sphere, union, unlit

SIZE = 40
DENSITY = soft(union(sphere(0.45), box((0.2, 0.2, 0.2), (0.0, 0.6, 0.0))), 300.0, 0.006)
CHEAP = {"resolution": 64, "faces": 3000, "texture": 256}


def albedo(points):
    """Red on the left, green on the right; bands of blue."""
    right = (points[:, :1] > 0).float()
    return torch.cat([0.9 - 0.8 * right, 0.1 + 0.8 * right, 0.5 + 0.4 * torch.sin(9 * points[:, 1:2])], -1)


@pytest.fixture(scope="module")
def views():
    return FieldViews(
        ring(), opacity(DENSITY, ring(), SIZE), unlit(DENSITY, albedo, ring(), SIZE), (1.0, 1.0, 1.0), False
    )


@pytest.fixture(scope="module")
def result(views):
    calls = []
    mesh, report = extract(DENSITY, albedo, views=views, progress=lambda *call: calls.append(call), **CHEAP)
    return mesh, report, calls


def test_the_mesh_looks_like_the_field(result, views):
    mesh, report, _ = result
    assert report.psnr > 27
    assert report.level_iou > 0.98
    found = render(mesh, views.cameras, SIZE, supersample=4).opacity > 0.5
    true = views.opacity > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.97


def test_the_report_says_what_happened(result):
    mesh, report, calls = result
    assert report.faces == len(mesh.faces) == 3000 or 2500 < report.faces < 3000
    assert report.faces_found > report.faces
    assert report.closed == is_closed(mesh.faces) == True  # noqa: E712
    assert (report.components_removed, report.atlas) == (0, "xatlas")
    assert list(report.seconds) == [name for name, _ in calls] == list(STAGES)
    shares = [share for _, share in calls]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1


def test_psnr_sees_wrong_textures_and_wrong_places(result, views):
    """The wrong variants: channels swapped, texture upside down, mesh shifted by a pixel, light where there is none."""
    from dataclasses import replace

    mesh, report, _ = result
    wrong = [
        replace(mesh, texture=mesh.texture[..., ::-1].copy()),
        replace(mesh, texture=mesh.texture[::-1].copy()),
        replace(mesh, vertices=mesh.vertices + np.float32([0, 0.06, 0])),
    ]
    assert all(compare(m, views) < report.psnr - 4 for m in wrong)
    assert compare(mesh, replace(views, lit=True)) < report.psnr - 4
    with pytest.raises(ValueError, match="rgb"):
        compare(mesh, replace(views, rgb=None))


def test_the_same_field_gives_the_same_mesh_to_the_bit(result, views):
    again, _ = extract(DENSITY, albedo, views=views, **CHEAP)
    for name in ("vertices", "faces", "normals", "uv", "uv_faces", "texture"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result[0], name))


def test_without_pictures(result):
    mesh, report = extract(DENSITY, albedo, **CHEAP)
    assert report.psnr is None
    volume, with_pictures = (signed_volumes(m.vertices, m.faces).sum() for m in (mesh, result[0]))
    assert volume == pytest.approx(with_pictures, rel=0.05)


def test_fields_may_compute_gradients_and_other_types():
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    mesh, _ = extract(lambda p: DENSITY(p) * scale, lambda p: albedo(p).double(), resolution=32, faces=500, texture=64)
    assert len(mesh.faces) <= 500


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="got 2 and 64"):
        extract(DENSITY, albedo, faces=2, texture=64)
    with pytest.raises(ValueError, match="empty"):
        extract(lambda p: 0 * p[:, 0], albedo, resolution=16)
