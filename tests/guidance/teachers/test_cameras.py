"""What teachers that take cameras are told, against each method's own convention written out independently."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from guidance.teachers.mvdream import LAW, camera_rows
from guidance.teachers.zero123 import LAW as ZERO_LAW
from guidance.teachers.zero123 import read_picture, relative_pose
from nerf.cameras import Cameras, draw_rings
from tests.guidance.teachers.opened import opened, prompt

G = torch.Generator().manual_seed(0)


def cameras(*rows: tuple[float, float, float]) -> Cameras:
    """Azimuth and elevation in degrees, distance."""
    azimuth, elevation, distance = torch.tensor(rows).unbind(1)
    return Cameras(azimuth.deg2rad(), elevation.deg2rad(), distance, torch.full_like(azimuth, 0.7))


def look_at_z_up(azimuth: float, elevation: float) -> np.ndarray:
    """A z-up camera-to-world matrix on the unit sphere, azimuth from -y toward +x: forward, side and up by cross
    products, columns right, up, backward."""
    a, e = math.radians(azimuth), math.radians(elevation)
    eye = np.array([math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)])
    back = eye / np.linalg.norm(eye)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3] = np.stack([right, np.cross(back, right), back, eye], 1)
    return matrix


@pytest.mark.parametrize("azimuth", [0, 37, 90, 180, 271])
@pytest.mark.parametrize("elevation", [-10, 0, 25, 60])
def test_mvdream_is_told_a_z_up_camera_on_the_unit_sphere(azimuth, elevation):
    found = camera_rows(cameras((azimuth, elevation, 2.6)))
    expected = torch.from_numpy(look_at_z_up(azimuth, elevation)).float().flatten()
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-6)


def test_the_front_is_minus_y_and_the_sides_are_not_exchanged():
    """The wrong variants: the matrix as it is, y up, and a mirrored world."""
    front, right = camera_rows(cameras((0, 0, 3.0), (90, 0, 3.0))).view(2, 4, 4)
    torch.testing.assert_close(front[:3, 3], torch.tensor([0.0, -1.0, 0.0]), rtol=0, atol=1e-6)
    torch.testing.assert_close(right[:3, 3], torch.tensor([1.0, 0.0, 0.0]), rtol=0, atol=1e-6)
    for matrix in (front, right):
        assert torch.linalg.det(matrix[:3, :3]) > 0.999
        torch.testing.assert_close(matrix[:3, 1], torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=1e-6)


def zenith_angles(azimuth: float, elevation: float, distance: float) -> tuple[float, float, float]:
    """(polar angle from the zenith, azimuth counterclockwise seen from above, radius), from Cartesian coordinates."""
    (x, y, z) = cameras((azimuth, elevation, distance)).position[0].tolist()
    right, away, up = x, -z, y  # our world turned so that z is up: front is -y
    radius = math.sqrt(right**2 + away**2 + up**2)
    return math.acos(up / radius), math.atan2(right, -away), radius


@pytest.mark.parametrize("view", [(0.0, 0.0, 3.7), (30.0, 20.0, 3.2), (200.0, -5.0, 4.4), (359.0, 70.0, 3.0)])
def test_zero123_is_told_the_way_from_the_pictures_camera(view):
    middle = sum(ZERO_LAW.distance) / 2
    polar, azimuth, radius = zenith_angles(*view)
    own_polar, own_azimuth, own_radius = zenith_angles(0.0, 15.0, middle)
    turn = azimuth - own_azimuth
    expected = [polar - own_polar, math.sin(turn), math.cos(turn), (radius - own_radius) / 2]
    found = relative_pose(cameras(view), torch.tensor([math.radians(15.0)]))
    torch.testing.assert_close(found[0], torch.tensor(expected), rtol=0, atol=1e-5)


def test_the_pictures_own_camera_is_no_way_at_all():
    middle = sum(ZERO_LAW.distance) / 2
    found = relative_pose(cameras((0.0, 15.0, middle)), torch.tensor([math.radians(15.0)]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0, 1.0, 0.0]]), rtol=0, atol=1e-6)


def test_rings_are_rings():
    ring = draw_rings(LAW, 8, 4, torch.Generator().manual_seed(1))
    for four in (ring[slice(0, 4)], ring[slice(4, 8)]):
        steps = torch.remainder(four.azimuth.diff(), 2 * math.pi)
        torch.testing.assert_close(steps, torch.full((3,), math.pi / 2), rtol=0, atol=1e-5)
        for name in ("elevation", "distance", "fov"):
            values = getattr(four, name)
            low, high = getattr(LAW, name)
            assert (values == values[0]).all()
            assert low - 1e-6 <= float(values[0]) <= high + 1e-6
    assert ring.elevation[0] != ring.elevation[4]
    starts = torch.stack([draw_rings(LAW, 4, 4, G).azimuth[0] for _ in range(200)])
    assert float(starts.min()) < 0.5
    assert float(starts.max()) > 5.7
    with pytest.raises(ValueError, match="multiple of that, got 6"):
        draw_rings(LAW, 6, 4, G)


def test_the_camera_reaches_the_rows_and_the_network():
    teacher = opened("mvdream")
    near, far = (cameras(*[(90.0 * i, e, 2.5) for i in range(4)]) for e in (0.0, 25.0))
    x = torch.randn(4, *teacher.shape, generator=G)
    rows = teacher.embed(["", prompt("mvdream")])

    def said(row: int, views: Cameras) -> Tensor:
        return teacher(x, 0.5, rows[torch.tensor([row])].at(views)).value

    for row in (0, 1):  # the empty prompt sees the camera too
        assert not torch.allclose(said(row, near), said(row, far), atol=1e-4)


def test_the_empty_prompt_of_zero123_sees_neither_picture_nor_camera():
    teacher = opened("zero123")
    x = torch.randn(1, *teacher.shape, generator=G)
    null = teacher.embed([""])
    one, two = (teacher(x, 0.5, null.at(cameras((a, 10.0, 3.5)))).value for a in (0.0, 120.0))
    assert torch.equal(one, two)


def test_a_picture_stands_in_the_middle_of_white(tmp_path):
    from PIL import Image

    clear = Image.new("RGBA", (8, 16), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 8, 8, 16))
    clear.save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png", 16)
    assert found.shape == (3, 16, 16)
    torch.testing.assert_close(found[:, 12, 8], torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=1e-2)
    for place in ((4, 8), (12, 1), (12, 14)):  # clear, left of it, right of it
        torch.testing.assert_close(found[:, place[0], place[1]], torch.ones(3), rtol=0, atol=1e-2)


def test_a_law_of_joint_views_survives_its_file():
    import json

    from guidance.teacher import CameraLaw

    assert CameraLaw.from_json(json.loads(json.dumps(LAW.to_json()))) == LAW
    wrong: Any = {**LAW.to_json(), "together": 0}
    with pytest.raises(ValueError, match="at least 1, got 0"):
        CameraLaw.from_json(wrong)
