"""Counting without numbers, against networks whose cost is known on paper."""

import pytest
import torch
from torch import nn

from guidance.cost import cost_of
from guidance.teachers.loading import USUAL
from guidance.teachers.meta import step_cost
from tests.checkpoints import checkpoint
from tests.guidance.teachers.opened import FAMILIES

META = torch.device("meta")


def test_a_product_and_a_convolution_on_paper():
    with META:
        linear, conv = nn.Linear(30, 50, bias=False), nn.Conv2d(3, 8, 3, padding=1, bias=False)
        x, picture = torch.empty(7, 30), torch.empty(2, 3, 16, 16)
    with torch.no_grad():
        product = cost_of(lambda: linear(x))
        folded = cost_of(lambda: conv(picture))
    assert product.flops == 2 * 7 * 30 * 50
    assert (product.peak, product.kept) == (7 * 50 * 4, 7 * 50 * 4)
    assert folded.flops == 2 * 2 * 8 * 3 * 9 * 16 * 16


def test_what_is_let_go_makes_room():
    """Three results of 400 bytes in a row: two at a time, but a backward pass may need all three."""
    with META:
        x = torch.empty(100)

    def chain() -> torch.Tensor:
        y = x + 1
        y = y + 1
        return (y + 1).view(10, 10)

    found = cost_of(chain)
    assert (found.peak, found.kept) == (800, 1200)


def test_attention_counts_as_the_fused_kernels_do_it():
    with META:
        q, k = torch.empty(2, 4, 100, 8), torch.empty(2, 4, 300, 8)
    found = cost_of(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, value=k))
    assert found.flops == 2 * 2 * (2 * 4 * 100 * 300 * 8)
    assert found.peak == 2 * 4 * 100 * 8 * 4  # not the 2 * 4 * 100 * 300 weights


@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_of_every_family_grows_with_views_and_conditions(name):
    settings = {"flux": {"teacher_pixels": 32}}.get(name, {})
    loading = type(USUAL)(**settings)
    four, eight = (step_cost(checkpoint(name), loading, torch.float32, views=v, conditions=1, size=16) for v in (4, 8))
    assert four.network.flops > 1e6
    assert eight.network.flops == pytest.approx(2 * four.network.flops, rel=0.02)
    assert eight.encode.kept == pytest.approx(2 * four.encode.kept, rel=1e-4)  # but for the VAE's few constants
    guided = step_cost(checkpoint(name), loading, torch.float32, views=4, conditions=2, size=16)
    assert guided.network.flops == eight.network.flops
    assert guided.encode == four.encode
    half = step_cost(checkpoint(name), loading, torch.float16, views=4, conditions=1, size=16)
    assert half.network.peak < 0.7 * four.network.peak
