import math

import pytest
import torch

from nerf.encoding import HashGrid
from nerf.field import Blob, HashField


def fresh(seed: int = 0, **settings) -> HashField:
    return HashField(generator=torch.Generator().manual_seed(seed), **settings)


def excited(seed: int = 0) -> HashField:
    """A field far from its start, with features of order one."""
    field = fresh(seed)
    with torch.no_grad():
        field.table.mul_(5e3)
        field.out_bias.copy_(torch.tensor([0.5, -1.0, 0.0, 1.0]))
    return field


def points(count: int) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_fresh_field_is_the_blob():
    blob = Blob(strength=10, radius=0.5, gain=2)
    density = fresh(blob=blob).density(torch.tensor([[0.0, 0, 0], [0.3, 0, 0.4], [0, 1, 0]]))
    expected = [2 * math.log1p(math.exp(x)) for x in (10, 0, -10)]
    assert density.tolist() == pytest.approx(expected, rel=5e-3)


def test_ranges():
    density, albedo = excited().query(points(500))
    assert density.shape == (500,)
    assert albedo.shape == (500, 3)
    assert (density > 0).all()
    assert ((albedo > 0) & (albedo < 1)).all()


def test_one_pass_equals_autograd_path():
    """Without gradients a compiled kernel answers; with them torch does."""
    field, x = excited(), points(300) * 1.2  # some outside the box
    density, albedo = field.query(x)
    assert density.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(field.query(x)[0], density, rtol=2e-5, atol=1e-6)
        torch.testing.assert_close(field.albedo(x), albedo, rtol=0, atol=2e-6)
        torch.testing.assert_close(field.density(x), density, rtol=2e-5, atol=1e-6)


def test_single_and_double_precision_agree():
    field, x = excited(), points(200)
    single = field.query(x)
    double = field.double().query(x.double())
    for a, b in zip(single, double, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-4)


def test_no_points_and_other_sizes():
    with torch.no_grad():
        assert fresh().density(torch.zeros(0, 3)).shape == (0,)
        wide = fresh(hidden=8, grid=HashGrid(levels=3))  # a shape that the kernels were not made for
        assert wide.albedo(points(7)).shape == (7, 3)


def test_same_seed_same_field():
    first, second, other = fresh(5).state_dict(), fresh(5).state_dict(), fresh(6).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["table"], other["table"])


def test_state_is_complete_and_strict():
    field, copy = excited(), fresh(9)
    field.active_levels = 3
    copy.load_state_dict(field.state_dict())
    assert copy.active_levels == 3
    assert torch.equal(copy.density(points(20)), field.density(points(20)))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        copy.load_state_dict(field.state_dict() | {"extra": torch.zeros(1)})


def test_closed_levels_do_not_matter():
    field, x = excited(), points(50)
    field.active_levels = 2
    before = field.density(x)
    with torch.no_grad():
        field.table[field.grid.layout[2].offset :] = 7
        torch.testing.assert_close(field.density(x), before.detach(), rtol=2e-5, atol=1e-6)


def test_impossible_blob_is_refused():
    with pytest.raises(ValueError, match="positive radius and gain, got 0"):
        Blob(radius=0)
