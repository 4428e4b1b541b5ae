import pytest
import torch

from nerf.backends.march_numba import march as fast
from nerf.cameras import orbit
from nerf.occupancy import march

CAMERAS = orbit(3, elevation=0.5, distance=2.8, fov=0.8)


def occupancies() -> dict[str, torch.Tensor]:
    side = torch.arange(16) / 8 - 15 / 16
    center = torch.stack(torch.meshgrid(side, side, side, indexing="ij"), -1)
    return {
        "all": torch.ones(16**3, dtype=torch.bool),
        "none": torch.zeros(16**3, dtype=torch.bool),
        "ball": (center.norm(dim=-1) < 0.5).reshape(-1),
        "dust": torch.rand(16**3, generator=torch.Generator().manual_seed(0)) < 0.01,
    }


def check(origins, directions, offset, step, occupied):
    expected = march(origins, directions, offset, step, occupied)
    t, starts = fast(origins.numpy(), directions.numpy(), offset.numpy(), step, occupied.numpy())
    assert torch.equal(torch.from_numpy(t), expected.t)
    assert torch.equal(torch.from_numpy(starts), expected.starts)


@pytest.mark.parametrize("step", [0.02, 0.03, 0.3])
@pytest.mark.parametrize("name", occupancies())
def test_same_samples_to_the_bit(name, step):
    origins, directions = (x.reshape(-1, 3).contiguous() for x in CAMERAS.rays(12))
    offset = torch.rand(len(origins), generator=torch.Generator().manual_seed(1))
    check(origins, directions, offset, step, occupancies()[name])


def test_rays_along_axes_and_from_inside():
    origins = torch.tensor([[0.0, 0, 3], [0.1, 0.2, 0.3], [-1, 0, 0], [0, 5, 0], [2, 2, 2]])
    directions = torch.tensor([[0.0, 0, -1], [0.6, 0, 0.8], [1, 0, 0], [0, 0, 1], [1, 0, 0]])
    check(origins, directions, torch.full((5,), 0.5), 0.03, occupancies()["all"])
