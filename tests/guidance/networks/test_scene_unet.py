import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from distill.catalog.oracle import posterior_mean
from guidance.networks.feature_field import GROUPS, PAINTS, THINGS, FieldSize
from guidance.networks.scene_unet import PLACES, SceneUNet
from guidance.networks.text import SlotText
from guidance.networks.unet import UNetSize
from guidance.vocabulary import RELATIONS, Caption, load_vocabulary
from samplers.schedule import VPCosine

VOCABULARY = load_vocabulary()
SIZE = UNetSize(
    side=32, levels=(16, 32, 16), width=32, text=8, middle=0, field=FieldSize(features=4, hidden=16, samples=5)
)
PROMPTS = ["a red mushroom", "a blue cube on a table", "", "a teal car", ""]
CAMERAS = [
    (0.3, 0.2, 3.2, 0.7),
    (-2.0, -0.2, 2.0, 0.5),
    (3.1, 0.9, 1.5, 1.2),
    (0.0, 0.0, 0.0, 0.0),
    (1.0, 0.4, 2.5, 0.7),
]
LEVELS = [-12.0, -1.0, 0.5, 2.0, 12.0]


def network(size: UNetSize = SIZE, *, trained: bool = False) -> SceneUNet:
    """A fresh network in float64; `trained`: no layer is silent any more."""
    torch.manual_seed(0)
    net = SceneUNet(size, SlotText(VOCABULARY, size.text))
    if trained:
        for parameter in net.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return net.requires_grad_(False).double().eval()


def inputs(net: SceneUNet) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    side = net.size.side
    x = torch.randn(5, 3, side, side, generator=torch.Generator().manual_seed(1)).double()
    return x, torch.tensor(LEVELS).double(), net.text.rows(PROMPTS).double(), torch.tensor(CAMERAS).double()


def layers(side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Made-up coverage of the groups, opacity and colors in [0, 2] of two pictures."""
    rng = torch.Generator().manual_seed(2)
    groups = torch.rand(2, GROUPS, side, side, generator=rng).double() / GROUPS
    return groups, groups.sum(1, keepdim=True), 2 * torch.rand(2, GROUPS, 3, generator=rng).double()


# Layers


def test_the_background_is_the_posterior_mean():
    """That of the catalog's oracle, which knows the layers: at every noise level, over the input's scale."""
    net, schedule = network(), VPCosine()
    groups, opacity, paints = layers()
    foreground = torch.einsum("bghw,bgc->bchw", groups, paints) - opacity
    rng = torch.Generator().manual_seed(3)
    x0 = foreground + (1 - opacity) * (2 * torch.rand(2, 3, 1, 1, generator=rng).double() - 1)
    for t in (0.02, 0.3, 0.8, 0.99):
        time = torch.tensor([t, t], dtype=torch.float64)
        alpha, sigma = schedule.coefficients(time, x0)
        x_t = alpha * x0 + sigma * torch.randn(x0.shape, generator=rng).double()
        x = x_t / (alpha**2 * 0.25 + sigma**2).sqrt()
        read = net._composed(x, schedule.lam(time), groups, opacity, torch.zeros_like(x), paints)
        exact = posterior_mean(x_t, alpha, sigma, foreground[:, None], opacity[:, None])
        assert torch.allclose(read, exact, atol=1e-6)
        other = SceneUNet(net.size, net.text, data_std=1.0)  # right for other data only
        wrong = other._composed(x, schedule.lam(time), groups, opacity, torch.zeros_like(x), paints)
        if t < 0.9:  # where the pixels tell of the background
            assert not torch.allclose(wrong, exact, atol=1e-2)


def test_layers_are_linear_in_the_told_colors():
    """Of a fresh network, whose U-Net is silent: the share of a group's color in a picture is its coverage, less what
    the background takes back of it."""
    net = network()
    x, level, text, camera = (v[1:2] for v in inputs(net))
    start = text.shape[1] - 3 * GROUPS

    def told(group: int, color: float) -> Tensor:
        changed = text.clone()
        changed[:, start + 3 * group : start + 3 * group + 3] = color
        return net(x, level, changed, camera)

    coverage = net.maps(text, camera).coverage
    fine = torch.nn.functional.interpolate(coverage, (32, 32), mode="bilinear")
    opacity = torch.nn.functional.interpolate(net.maps(text, camera).opacity, (32, 32), mode="bilinear")
    noise, through = math.exp(2.0), 1 - opacity
    for group in (0, PAINTS - 1, PAINTS):
        dark, middle, light = (told(group, c) for c in (-1.0, 0.0, 1.0))
        assert torch.allclose(middle, (dark + light) / 2, atol=1e-9)
        own = fine[:, group : group + 1]
        back = (own * through).sum() / 3 / (noise + through.square().sum() / 3)
        assert torch.allclose(middle - dark, (own - through * back).expand_as(dark), atol=1e-6)
        assert (middle - dark).abs().max() > 0.01


def test_the_rest_grows_where_noise_is_weak():
    """As the target does: sqrt(1 + prior_std^4 / noise) times the output."""
    net = network()
    groups, opacity, paints = layers()
    x, one = torch.zeros(2, 3, 8, 8).double(), torch.ones(2, 3, 8, 8).double()
    for level in (-3.0, 0.0, 4.0, 9.0):
        levels = torch.full((2,), level, dtype=torch.float64)
        more = net._composed(x, levels, groups, opacity, one, paints)
        less = net._composed(x, levels, groups, opacity, 0 * one, paints)
        assert torch.allclose(more - less, one * math.sqrt(1 + 0.1**4 * math.exp(2 * level)))


# The network


def test_a_fresh_network_draws_the_maps():
    """It has no opinion beyond the field: no thing, no camera or a null row, and its answer is a solid color."""
    net = network()
    out = net(*inputs(net))
    plain = (out - out.mean((2, 3), keepdim=True)).abs().amax((1, 2, 3)) < 1e-9
    assert plain.tolist() == [False, False, True, True, True]


def test_null_rows_and_missing_cameras_show_nothing():
    net = network(trained=True)
    _, _, text, camera = inputs(net)
    seen = net.maps(text, camera).stacked().flatten(1).any(1)
    assert seen.tolist() == [True, True, False, False, False]
    single = net.maps(text, camera).coverage[0]
    assert single[:PAINTS].any()
    assert not single[PAINTS:].any()


def test_relations_and_patterns_and_kinds_are_seen():
    net = network(trained=True)
    cube, car = VOCABULARY.thing("cube", "red", {}), VOCABULARY.thing("car", "red", {})
    captions = [Caption((cube, car), relation) for relation in RELATIONS]
    captions += [Caption((car, cube), "on"), Caption((replace(cube, pattern="striped", second="red"), car), "on")]
    text = torch.stack([net.text.caption_row(c) for c in captions]).double()
    maps = net.maps(text, torch.tensor(CAMERAS[:1]).double().expand(4, -1)).stacked()
    apart = torch.cdist(maps.flatten(1), maps.flatten(1)) + 10 * torch.eye(4)
    assert apart.min() > 0.05


def test_things_start_where_their_relation_puts_them():
    net = network()
    kinds = torch.tensor([[0, 1], [0, 1], [2, 3]])
    relation = torch.tensor([0, 1, 2])
    assert torch.allclose(net.place(kinds, relation), torch.tensor(PLACES).double())
    alone, on, beside = torch.tensor(PLACES)
    assert not alone.any()
    assert on[0, 2] > on[1, 2]  # the first stands on the second
    assert beside[0, 1] < beside[1, 1]  # the first is to the left, seen from the front


def test_pictures_of_a_batch_do_not_see_each_other():
    net = network(trained=True)
    x, level, text, camera = inputs(net)
    whole = net(x, level, text, camera)
    for i in range(5):
        row = slice(i, i + 1)
        assert torch.allclose(net(x[row], level[row], text[row], camera[row]), whole[row], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(whole[2], whole[4], atol=1e-2)


@pytest.mark.parametrize("side", [16, 64])
def test_every_part_learns(side):
    """All but what tokens are made of: the U-Net is told the field's maps and reads no tokens."""
    net = network(replace(SIZE, side=side), trained=True).requires_grad_(True)
    out = net(*inputs(net))
    assert out.shape == (5, 3, side, side)
    out.square().mean().backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == ["unet.text.slot", "unet.text.paint.weight", "unet.text.paint.bias"]
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("side", [16, 32])
def test_bfloat16_is_finite_and_near(side):
    net = network(replace(SIZE, side=side)).float()
    given = [v.float() for v in inputs(net)]
    exact = net(*given)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(*given)
    assert out.dtype == torch.float32
    assert out.isfinite().all()
    assert (out - exact).abs().max() < 0.03 * exact.abs().max()


def test_noise_beyond_all_levels_is_finite():
    net = network(trained=True).float()
    x, _, text, camera = (v.float() for v in inputs(net))
    for level in (-math.inf, math.inf):
        out = net(x, torch.full((5,), level), text, camera)
        assert out.isfinite().all()
        assert torch.equal(out, net(x, torch.full((5,), math.copysign(10.0, level)), text, camera))


def test_the_maps_may_be_finer_than_the_grid():
    net = network(replace(SIZE, field=replace(SIZE.field, side=32)), trained=True)
    out = net(*inputs(net))
    assert out.shape == (5, 3, 32, 32)
    assert net.maps(*inputs(net)[2:]).coverage.shape == (5, THINGS * PAINTS, 32, 32)
