import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from guidance.networks.rays import ball_chords, camera_rays
from nerf.cameras import Cameras

CAMERAS = torch.tensor(((0.3, 0.2, 3.2, 0.7), (-2.0, -0.2, 2.0, 0.5), (3.1, 0.9, 1.5, 1.2)), dtype=torch.float64)


def world_rays(side: int = 16) -> tuple[Tensor, Tensor]:
    """The renderer's rays, (b, side, side, 3) each."""
    return Cameras(*CAMERAS.T).rays(side)


@pytest.mark.parametrize("side", [1, 16, 21])
def test_rays_are_those_of_the_renderer(side):
    origin, direction = camera_rays(CAMERAS, side)
    origins, directions = world_rays(side)
    assert torch.allclose(origin[:, None, None].expand_as(origins), origins)
    assert torch.allclose(normalize(direction, dim=-1), directions)
    depth = torch.einsum("bhwc,bc->bhw", direction, -origin) / CAMERAS[:, 2, None, None]
    assert torch.allclose(depth, torch.ones_like(depth))
    if side > 1:
        for wrong in (directions.flip(1), directions.flip(2), directions.transpose(1, 2)):
            assert not torch.allclose(normalize(direction, dim=-1), wrong, atol=0.05)


def test_chords_are_those_of_the_unit_ball():
    """By entry and exit on the sphere, and by the distance of the ray from the center; from inside the ball a ray
    starts at its camera, and what lies behind the camera is not seen."""
    origins, directions = world_rays()
    near, length = ball_chords(origins[:, 0, 0], directions.flatten(1, 2))
    apart = torch.linalg.cross(origins, directions).norm(dim=-1)
    assert torch.allclose(length, 2 * (1 - apart**2).clamp_min(0).sqrt().flatten(1))
    hit = length > 0
    assert 0 < hit.double().mean() < 1
    for t in (near, near + length):
        points = origins.flatten(1, 2) + t[..., None] * directions.flatten(1, 2)
        assert torch.allclose(points.norm(dim=-1)[hit], torch.ones(int(hit.sum()), dtype=torch.float64))
    inside = torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64)
    ahead = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    assert torch.allclose(ball_chords(inside, ahead)[1], torch.tensor([1.5, 0.5]).double(), atol=1e-3)
    assert not ball_chords(4 * inside, ahead)[1][0, 1]
