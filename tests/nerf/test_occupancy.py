import math
from itertools import product

import pytest
import torch

from nerf.cameras import orbit
from nerf.occupancy import OccupancyGrid, box_interval, cell_of, march, widened


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ball(points: torch.Tensor, radius: float = 0.55) -> torch.Tensor:
    return 40.0 * (points.norm(dim=-1) < radius)


def some_rays(size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    rays = orbit(2, elevation=0.4, distance=3.0, fov=0.9).rays(size)
    return rays[0].reshape(-1, 3), rays[1].reshape(-1, 3)


def test_box_interval():
    origins = torch.tensor([[0.0, 0, 3], [0, 0, 0], [0, 5, 3], [3, 0, 0.5]])
    directions = torch.tensor([[0.0, 0, -1], [0, 0.6, 0.8], [0, 0, -1], [-1, 0, 0]])
    near, far = box_interval(origins, directions)
    assert near[[0, 1, 3]].tolist() == pytest.approx([2, 0, 2])
    assert far[[0, 1, 3]].tolist() == pytest.approx([4, 1.25, 4])
    assert near[2] >= far[2]


def test_cells():
    corners = torch.tensor([[-1.0, -1, -1], [-1, -1, 1], [1, 1, 1], [-9, 0.01, 9]])
    assert cell_of(corners, 4).tolist() == [0, 3, 63, 2 * 4 + 3]


def test_march_is_brute_force():
    origins, directions = some_rays()
    occupied = torch.rand(8**3, generator=seeded()) < 0.3
    offset = torch.rand(len(origins), generator=seeded(1))
    samples = march(origins, directions, offset, 0.11, occupied)
    near, far = box_interval(origins, directions)
    expected = []
    for ray, (o, d) in enumerate(zip(origins, directions, strict=True)):
        for k in range(60):
            t = near[ray] + (k + offset[ray]) * 0.11
            cell = [min(int((float(c) + 1) * 4), 7) for c in o + t * d]
            if t < far[ray] and occupied[cell[0] * 64 + cell[1] * 8 + cell[2]]:
                expected.append((ray, float(t)))
    assert samples.ray.tolist() == [ray for ray, _ in expected]
    assert samples.t.tolist() == [t for _, t in expected]
    counts = torch.bincount(samples.ray, minlength=len(origins))
    assert samples.starts.diff().tolist() == counts.tolist()


def test_an_empty_grid_gives_no_samples():
    origins, directions = some_rays()
    samples = march(origins, directions, torch.zeros(len(origins)), 0.1, torch.zeros(64, dtype=torch.bool))
    assert len(samples.t) == 0
    assert (samples.starts == 0).all()


def test_occupied_space_is_never_culled():
    grid = OccupancyGrid(24)
    assert grid.occupied.all()
    for refresh in range(12):
        grid.refresh(ball, seeded(refresh))
        points = torch.rand(20_000, 3, generator=seeded(100 + refresh)) * 2 - 1
        inside = points[ball(points) > 0]
        assert grid.occupied[cell_of(inside, 24)].all()
    far = points[points.norm(dim=-1) > 0.55 + 2 * math.sqrt(3) * 2 / 24]
    assert not grid.occupied[cell_of(far, 24)].any()


def test_what_vanishes_is_dropped_and_what_appears_is_found():
    grid = OccupancyGrid(16)
    grid.refresh(ball, seeded())
    for refresh in range(20):
        grid.refresh(lambda p: ball(p - 0.4, 0.3), seeded(refresh))
    centers = torch.tensor([[-0.4, -0.4, -0.4], [0.4, 0.4, 0.4]])
    assert grid.occupied[cell_of(centers, 16)].tolist() == [False, True]


def test_a_faint_field_stays_visible():
    grid = OccupancyGrid(16)
    grid.refresh(lambda p: 1e-3 * ball(p), seeded())
    assert grid.occupied[cell_of(torch.zeros(1, 3), 16)].item()


def test_same_generator_same_grid_and_resumable():
    def refreshed(grid: OccupancyGrid, generator: torch.Generator, times: int) -> OccupancyGrid:
        for _ in range(times):
            grid.refresh(ball, generator)
        return grid

    whole = refreshed(OccupancyGrid(12), seeded(), 5)
    generator = seeded()
    half, resumed = refreshed(OccupancyGrid(12), generator, 3), OccupancyGrid(12)
    resumed.load_state_dict(half.state_dict())
    refreshed(resumed, generator, 2)
    assert torch.equal(resumed.density, whole.density)
    assert torch.equal(resumed.occupied, whole.occupied)
    assert resumed.refreshes == 5


def test_widened_is_brute_force():
    cells = torch.rand(5, 5, 5, generator=seeded()) < 0.05
    wide = widened(cells)
    for x, y, z in product(range(5), repeat=3):
        block = cells[max(x - 1, 0) : x + 2, max(y - 1, 0) : y + 2, max(z - 1, 0) : z + 2]
        assert wide[x, y, z] == block.any()


def test_impossible_resolution_is_refused():
    with pytest.raises(ValueError, match="got 2"):
        OccupancyGrid(2)
