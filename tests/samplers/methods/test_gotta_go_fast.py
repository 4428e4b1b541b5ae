import torch
from torch import Tensor

from samplers.brownian import Bridge
from samplers.grids import uniform_t
from samplers.methods.gotta_go_fast import GottaGoFast
from samplers.noise import sequential
from samplers.schedule import VPLinear
from samplers.types import last
from tests.samplers.exact import gaussian

VARIANCE = 0.36


def sampled_variance(d: int, count: int, published: bool) -> float:
    x = torch.randn(count, d, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = sequential(torch.Generator().manual_seed(1))
    sampler = GottaGoFast(rtol=0.02, atol=0.05, published=published)
    return float(last(sampler(gaussian(VPLinear(), 0.0, VARIANCE), VPLinear(), x, uniform_t(1), noise=noise)).var())


def test_the_bridge_is_right_in_two_dimensions_and_the_published_form_is_not():
    assert abs(sampled_variance(2, 3000, published=False) - VARIANCE) < 0.035
    assert sampled_variance(2, 3000, published=True) > VARIANCE + 0.04


def test_both_are_right_in_many_dimensions():
    for published in (False, True):
        assert abs(sampled_variance(256, 24, published=published) - VARIANCE) < 0.035


def test_what_was_refused_is_seen_again():
    """A refused increment is split, not drawn anew: its pieces add up to it, and both have their variance."""
    n = 20000
    x = torch.zeros(n, 1, 1, 1, dtype=torch.float64)
    bridge = Bridge(torch.ones(n, dtype=torch.float64), sequential(torch.Generator().manual_seed(0)))
    yes, no = torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool)

    def take(h: float, accept: Tensor) -> tuple[Tensor, Tensor]:
        width, dw = bridge.take(torch.full((n,), h, dtype=torch.float64), x)
        bridge.accept(accept)
        return width, dw

    _, whole = take(0.4, no)
    _, half = take(0.2, no)
    _, first = take(0.05, yes)
    width, second = take(1.0, yes)
    assert torch.allclose(width, torch.full_like(width, 0.15))  # no further than what is known
    torch.testing.assert_close(first + second, half, rtol=0, atol=1e-12)
    _, third = take(0.2, yes)
    torch.testing.assert_close(half + third, whole, rtol=0, atol=1e-12)
    for dw, h in ((first, 0.05), (second, 0.15), (third, 0.2), (whole, 0.4)):
        assert abs(float(dw.var()) / h - 1) < 0.05
    assert abs(float((first * second).mean())) < 0.005
