from concurrent.futures import ThreadPoolExecutor

import numba
import pytest
import torch

from nerf import backends
from nerf.backends import hashgrid_numba
from nerf.encoding import HashGrid, encode

GRIDS = {
    "mixed": HashGrid(levels=8, log2_size=12, base=4, finest=64),
    "dense": HashGrid(levels=3, log2_size=15, base=8, finest=31),
    "hashed": HashGrid(levels=2, log2_size=6, base=16, finest=100),
    "one": HashGrid(levels=1, base=16, finest=16),
}


def example(grid: HashGrid, count: int, dtype=torch.float32):
    generator = torch.Generator().manual_seed(count)
    points = torch.rand(count, 3, generator=generator)
    points[:2] = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])[: len(points[:2])]
    table = torch.rand(grid.entries, 2, generator=generator) - 0.5
    weight = torch.randn(count, grid.width, generator=generator)
    return points.to(dtype).requires_grad_(), table.to(dtype).requires_grad_(), weight.to(dtype)


def all_of(function, points, table, weight, grid, active):
    features = function(points, table, grid, active)
    return features.detach(), *torch.autograd.grad((features * weight).sum(), (points, table))


@pytest.mark.parametrize("active", [1, -1])
@pytest.mark.parametrize("name", GRIDS)
def test_equals_the_reference(name, active):
    grid = GRIDS[name]
    active = active % grid.levels or grid.levels
    found = all_of(hashgrid_numba.encode, *example(grid, 300), grid, active)
    expected = all_of(encode, *example(grid, 300, torch.float64), grid, active)
    torch.testing.assert_close(found[0].double(), expected[0], atol=2e-5, rtol=1e-4)
    inner = slice(2, None)  # on a border a point's gradient is one-sided, and float32 may take the other side
    torch.testing.assert_close(found[1].double()[inner], expected[1][inner], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(found[2].double(), expected[2], atol=1e-4, rtol=1e-4)


def test_point_gradients_by_finite_differences():
    grid = GRIDS["mixed"]
    points, table, weight = example(grid, 64)
    slope = torch.autograd.grad((hashgrid_numba.encode(points, table, grid, 8) * weight).sum(), points)[0]
    step = 1e-6
    for axis in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[axis]
        high, low = (encode(points.double() + s, table.double(), grid, 8) for s in (shift, -shift))
        expected = ((high - low) * weight.double()).sum(-1) / (2 * step)
        close = (slope[2:, axis] - expected[2:]).abs() < 1e-2
        assert close.float().mean() > 0.96  # a difference across a cell border is neither side's slope


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129])
def test_any_number_of_points(count):
    grid = GRIDS["mixed"]
    points, table, weight = example(grid, count)
    found = all_of(hashgrid_numba.encode, points, table, weight, grid, 8)
    for a, b in zip(found, all_of(encode, points, table, weight, grid, 8), strict=True):
        torch.testing.assert_close(a[2:], b[2:], atol=1e-4, rtol=1e-3)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    grid, runs = GRIDS["mixed"], []
    for threads in (1, 2, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        runs.append(all_of(hashgrid_numba.encode, *example(grid, 3000), grid, 8))
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_several_callers_at_once():
    grid = GRIDS["mixed"]
    expected = all_of(hashgrid_numba.encode, *example(grid, 1000), grid, 8)
    with ThreadPoolExecutor(4) as pool:
        runs = pool.map(lambda _: all_of(hashgrid_numba.encode, *example(grid, 1000), grid, 8), range(8))
        assert all(torch.equal(a, b) for run in runs for a, b in zip(run, expected, strict=True))


def test_other_widths_and_precisions_take_the_reference():
    grid = HashGrid(levels=2, features=4, log2_size=8, base=4, finest=8)
    rows = torch.rand(grid.entries, 4)
    assert backends.encode(torch.rand(5, 3), rows, grid, 2).shape == (5, 8)
    points, table, _ = example(GRIDS["dense"], 5, torch.float64)
    assert backends.encode(points, table, GRIDS["dense"], 3).dtype == torch.float64
