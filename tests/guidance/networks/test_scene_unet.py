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
from guidance.vocabulary import RELATIONS, Caption
from samplers.schedule import VPCosine
from tests.guidance.words import WORDS

FIELD = FieldSize(cells=6, pattern_cells=8, side=16, samples=5)
SIZE = UNetSize(side=32, levels=(16, 32, 16), width=32, text=8, middle=0, field=FIELD)
PROMPTS = ["a striped red mushroom", "a spotted blue cube on a checkered table", "", "a green rocket", ""]
CAMERAS = [
    (0.3, 0.2, 3.2, 0.7),
    (-2.0, -0.2, 2.0, 0.5),
    (3.1, 0.9, 1.5, 1.2),
    (0.0, 0.0, 0.0, 0.0),
    (1.0, 0.4, 2.5, 0.7),
]
LEVELS = [-12.0, -1.0, 0.5, 2.0, 12.0]


def network(size: UNetSize = SIZE, *, trained: bool = False) -> SceneUNet:
    """A fresh network in float64; `trained`: no layer is silent any more, and every kind has its own volume."""
    torch.manual_seed(0)
    net = SceneUNet(size, SlotText(WORDS, size.text))
    if trained:
        for volumes in (net.field.volumes, net.field.patterns):
            torch.nn.init.normal_(volumes, std=0.5)
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


# The draft


def drawn(net: SceneUNet, text: Tensor, camera: Tensor, background: Tensor) -> Tensor:
    """What the field draws over backgrounds (b, C, 1, 1), by the definition, at twice the side of its maps."""
    maps, paints = net.maps(text, camera), net.text.paints(text)
    color = sum(maps.coverage[:, g, None] * (paints[:, g, :, None, None] + 1) for g in range(GROUPS)) - maps.opacity
    return (color + (1 - maps.opacity) * background).repeat_interleave(2, 2).repeat_interleave(2, 3)


def drafts() -> tuple[SceneUNet, Tensor, Tensor, Tensor]:
    net = network(trained=True)
    _, _, text, camera = inputs(net)
    background = 2 * torch.rand(5, 3, 1, 1, generator=torch.Generator().manual_seed(7)).double() - 1
    return net, text, camera, background


def test_the_draft_of_what_the_field_draws_has_no_error():
    """But that of the background's prior: of b, T / (T + 3) is found where T is the sum of the squared light that
    passes."""
    net, text, camera, background = drafts()
    maps, x0 = net.maps(text, camera), drawn(net, text, camera, background)
    through = 1 - maps.opacity
    missing = background * 3 / (through.square().sum((2, 3), keepdim=True) + 3)
    expected = (through * missing).square().mean()
    error = net.draft_error(maps, text, x0)
    assert error.shape == ()
    assert torch.allclose(error, expected)
    assert error < 0.01
    dark = drawn(net, text, camera, -torch.ones_like(background))
    assert net.draft_error(maps, text, dark - (x0 - dark)) > error  # colors that no background has
    for wrong in (
        net.draft_error(net.maps(text, camera + torch.tensor([1.0, 0, 0, 0])), text, x0),  # seen from elsewhere
        net.draft_error(maps, text.roll(1, 1), x0),  # other colors
        net.draft_error(maps, text, x0.flip(2)),
        net.draft_error(replace(maps, coverage=maps.coverage.roll(1, 1)), text, x0),  # other groups
    ):
        assert wrong > 10 * error


def test_a_draft_that_forgets_the_background_is_wrong():
    """The wrong variants: over black, over gray, and over the mean color of the picture, things and all."""
    net, text, camera, background = drafts()
    maps, x0 = net.maps(text, camera), drawn(net, text, camera, background)
    error = net.draft_error(maps, text, x0)
    for color in (-torch.ones_like(background), torch.zeros_like(background), x0.mean((2, 3), keepdim=True)):
        forgotten = (drawn(net, text, camera, color) - x0).square().mean()
        assert forgotten > 4 * error


def test_pictures_without_things_are_drafted_by_their_mean():
    """Null rows: what is left is the variance of the picture's cells, and the background's shrinkage."""
    net, text, camera, _ = (v[2:3] if isinstance(v, Tensor) else v for v in drafts())
    x0 = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(8)).double()
    cells = torch.nn.functional.avg_pool2d(x0, 2)
    left = cells - cells.mean((2, 3), keepdim=True) * 256 / (256 + 3)
    assert torch.allclose(net.draft_error(net.maps(text, camera), text, x0), left.square().mean())


def test_the_draft_teaches_the_field_alone():
    """Volumes, patterns, stripes and places, and nothing of the U-Net, which could learn around it."""
    net, text, camera, background = drafts()
    net.requires_grad_(True)
    x0 = drawn(net, text, camera, background).detach().flip(3)
    net.draft_error(net.maps(text, camera), text, x0).backward()
    learned = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    unchanged = {name for name, _ in net.named_parameters() if name.startswith("unet.")}
    assert learned == {name for name, _ in net.named_parameters()} - unchanged
    assert all(p.grad is None for p in net.unet.parameters())
    assert {"field.volumes", "field.patterns", "field.stripes", "place.start"} < learned


def test_the_draft_is_learned_by_descent():
    """From fresh volumes, pictures of others in the same places: what is wrong falls to a tenth in a hundred steps."""
    truth, text, camera, background = drafts()
    x0 = drawn(truth, text, camera, background)[:1]
    net, text, camera = network(), text[:1], camera[:1]
    net.place.load_state_dict(truth.place.state_dict())
    net.field.requires_grad_(True)
    optimizer = torch.optim.Adam([net.field.volumes, net.field.patterns], lr=0.05)
    errors = []
    for _ in range(100):
        error = net.draft_error(net.maps(text, camera), text, x0)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.1 * errors[0]


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
    cube, cone = WORDS.thing("cube", "red", {}), WORDS.thing("cone", "red", {})
    captions = [Caption((cube, cone), relation) for relation in RELATIONS] + [Caption((cone, cube), "on")]
    for pattern in ("striped", "checkered", "spotted"):
        captions.append(Caption((replace(cube, pattern=pattern, second="red"), cone), "on"))
    text = torch.stack([net.text.caption_row(c) for c in captions]).double()
    count = len(captions)
    maps = net.maps(text, torch.tensor(CAMERAS[:1]).double().expand(count, -1)).stacked()
    apart = torch.cdist(maps.flatten(1), maps.flatten(1)) + 10 * torch.eye(count)
    assert apart.min() > 0.05


def test_maps_may_be_made_before():
    """They are then not made anew, and are the same to the bit."""
    net = network(trained=True)
    x, level, text, camera = inputs(net)
    maps = net.maps(text, camera)
    assert torch.equal(net(x, level, text, camera, maps), net(x, level, text, camera))
    other = net.maps(text, camera + 0.2)
    assert not torch.allclose(net(x, level, text, camera, other), net(x, level, text, camera), atol=0.05)


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
    net = network(replace(SIZE, field=replace(FIELD, side=32)), trained=True)
    out = net(*inputs(net))
    assert out.shape == (5, 3, 32, 32)
    assert net.maps(*inputs(net)[2:]).coverage.shape == (5, THINGS * PAINTS, 32, 32)
