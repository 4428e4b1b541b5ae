import itertools
import math

import pytest
import torch

from nerf.encoding import HashGrid, encode

MIXED = HashGrid(levels=4, log2_size=8, base=3, finest=24)  # two dense levels, two hashed ones
PRIMES = (1, 2654435761, 805459861)


def points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def table(grid: HashGrid, seed: int = 1) -> torch.Tensor:
    return torch.rand(grid.entries, grid.features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(x, rows, grid, *, primes=PRIMES, shift=0.5, hash_all=False, wrap=True):
    """tinycudann's grid_index, one point, one corner and one number at a time."""
    growth, found, offset = (grid.finest / grid.base) ** (1 / max(1, grid.levels - 1)), [], 0
    for index in range(grid.levels):
        scale = grid.base * growth**index - 1
        resolution = math.ceil(round(scale, 4)) + 1
        size = min(math.ceil(resolution**3 / 8) * 8, 2**grid.log2_size)
        cell = [math.floor(c * scale + shift) for c in x]
        part = [c * scale + shift - i for c, i in zip(x, cell, strict=True)]
        value = [0.0] * grid.features
        for corner in itertools.product((0, 1), repeat=3):
            node = [i + b for i, b in zip(cell, corner, strict=True)]
            stride, at = 1, 0
            for c in node:
                if stride <= size:
                    at, stride = at + c * stride, stride * resolution
            if size < stride or hash_all:
                at = 0
                for c, prime in zip(node, primes, strict=True):
                    at ^= (c * prime) % 2**32
            at = at % size if wrap else min(at, size - 1)
            weight = math.prod(p if b else 1 - p for p, b in zip(part, corner, strict=True))
            value = [v + weight * float(t) for v, t in zip(value, rows[offset + at], strict=True)]
        found += value
        offset += size
    return found


def test_layout_is_tinycudanns():
    """The published configuration of instant-ngp: 16 levels from 16 on, growth 1.3819, 2^19 entries."""
    grid = HashGrid(levels=16, log2_size=19, base=16, finest=2048)
    assert grid.growth == pytest.approx(1.3819, abs=1e-4)
    resolutions = [level.resolution for level in grid.layout]
    assert resolutions[:6] == [16, 23, 31, 43, 59, 81]
    assert [level.dense for level in grid.layout] == [r**3 <= 2**19 for r in resolutions]
    assert all(level.size % 8 == 0 for level in grid.layout)
    assert grid.layout[1].size == 12168  # 23^3 = 12167, padded to a multiple of 8
    assert grid.entries == sum(level.size for level in grid.layout)


def test_matches_tinycudann_by_hand():
    rows, x = table(MIXED), points(40)
    x[0], x[1] = 0, 1
    assert [level.dense for level in MIXED.layout] == [True, True, False, False]
    expected = torch.tensor([by_hand(p.tolist(), rows, MIXED) for p in x], dtype=torch.float64)
    torch.testing.assert_close(encode(x, rows, MIXED, 4), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"primes": (1, 2654435767, 805459861)},
        {"primes": (1, 805459861, 2654435761)},
        {"shift": 0.0},
        {"hash_all": True},
    ],
)
def test_rejects_other_geometries(wrong):
    rows, x = table(MIXED), points(40)
    mutant = torch.tensor([by_hand(p.tolist(), rows, MIXED, **wrong) for p in x], dtype=torch.float64)
    assert (encode(x, rows, MIXED, 4) - mutant).abs().max() > 0.1


def test_the_last_node_wraps():
    """At x = 1 of a whole-numbered scale the corner beyond the last node has weight one half in tinycudann."""
    grid = HashGrid(levels=1, log2_size=15, base=8, finest=8)
    rows, corner = table(grid), torch.ones(1, 3, dtype=torch.float64)
    assert encode(corner, rows, grid, 1)[0].tolist() == pytest.approx(by_hand([1.0] * 3, rows, grid))
    assert encode(corner, rows, grid, 1)[0].tolist() != pytest.approx(by_hand([1.0] * 3, rows, grid, wrap=False))


def test_dense_levels_reproduce_linear_functions():
    grid = HashGrid(levels=1, features=1, log2_size=15, base=9, finest=9)
    r = grid.layout[0].resolution
    node = torch.arange(grid.entries)
    rows = (2.0 * (node % r) - 3.0 * (node // r % r) + 0.5 * (node // r**2))[:, None].double()
    x = points(50) * 0.9
    position = x * grid.layout[0].scale + 0.5
    expected = position @ torch.tensor([2.0, -3.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(encode(x, rows, grid, 1)[:, 0], expected)


def test_gradients_by_finite_differences():
    rows, x = table(MIXED).requires_grad_(), points(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: encode(a, b, MIXED, 4), (x, rows), eps=1e-7, atol=1e-5)


def test_closed_bands_are_silent():
    rows = table(MIXED).requires_grad_()
    features = encode(points(9), rows, MIXED, 2)
    assert features.shape == (9, 8)
    assert (features[:, 4:] == 0).all()
    assert (features[:, :4] != 0).any()
    features.sum().backward()
    assert (rows.grad[MIXED.layout[2].offset :] == 0).all()


def test_fresh_tables_are_small_and_reproducible():
    first, second = (MIXED.table(torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.abs().max() <= 1e-4
    assert first.std() > 5e-5


@pytest.mark.parametrize("wrong", [{"levels": 0}, {"log2_size": 30}, {"base": 1}, {"base": 64, "finest": 32}])
def test_impossible_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match="a hash grid needs"):
        HashGrid(**wrong)
