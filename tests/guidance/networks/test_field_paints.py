import math

import pytest
import torch
from torch import Tensor

from guidance.networks.feature_field import (
    AMBIENT,
    AXES,
    DIFFUSE,
    EDGE,
    PAINTS,
    FeatureField,
)
from guidance.vocabulary import PATTERNS
from nerf.patterns import BANDS_X, CHECKER, SPOTS, shows_second
from tests.guidance.networks.fields import (
    CHECKERED,
    FIRST,
    HERE,
    KINDS,
    PLAIN,
    RELATIONS,
    SHARES,
    SPOTTED,
    STRIPED,
    TINY,
    centers,
    entry_and_chord,
    field,
    homogeneous,
    places,
    rows,
    world_rays,
)

# Light


def test_the_light_is_at_the_camera():
    """0.45 + 0.55 cos of a known normal, at the centers of cells, in the frame of a thing that is moved and small."""
    net, (scale, *center) = field(), (-0.6, 0.1, -0.2, 0.3)
    local = EDGE * centers(TINY.cells)
    rng = torch.Generator().manual_seed(2)
    normal, toward = torch.nn.functional.normalize(
        torch.randn(2, len(local), 3, generator=rng, dtype=torch.float64), dim=-1
    )
    net.volumes[0, PAINTS : PAINTS + 3] = (normal - torch.nn.functional.normalize(local, dim=-1)).T
    points = local * math.exp(scale) + torch.tensor(center, dtype=torch.float64)
    _, answer = net._things(
        torch.tensor([[0, 0, STRIPED]]), rows((scale, *center)), points[None, :, None], toward[None]
    )
    lit = answer[0, :, 0, :PAINTS].sum(-1)
    cosine = -(normal * toward).sum(-1)
    assert (AMBIENT, DIFFUSE) == (0.45, 0.55)
    assert torch.allclose(lit, 0.45 + 0.55 * cosine.clamp_min(0))
    assert torch.allclose(answer[0, :, 0, PAINTS : PAINTS + 3], normal)
    for wrong in (0.45 + 0.55 * (-cosine).clamp_min(0), 0.45 + 0.55 * cosine.abs(), 0.45 + 0.55 * cosine):
        assert (lit - wrong).abs().max() > 0.3


def test_things_are_round_as_a_rule():
    """Of an opaque box without normals of its own: the light on a ball around its center, where the rays enter."""
    place, camera = (-0.9, 0.1, -0.2, 0.3), rows((0.9, 0.3, 3.2, 0.7))
    seen = homogeneous(1600, 400.0)(PLAIN, places(place, HERE), FIRST, camera)
    origin, direction = world_rays(camera)
    enters, chord = entry_and_chord(camera, place)

    def shade(*center: float) -> Tensor:
        point = origin + enters[..., None] * direction - torch.tensor(center, dtype=torch.float64)
        cosine = -(torch.nn.functional.normalize(point, dim=-1) * direction).sum(-1)
        return 0.45 + 0.55 * cosine.clamp_min(0)

    deep = chord > 0.1
    assert deep.sum() > 20
    lit = seen.coverage.sum(1)
    assert (lit - shade(*place[1:]))[deep].abs().max() < 0.02
    assert (lit - shade(0.0, 0.0, 0.0))[deep].abs().max() > 0.1  # a ball around the world's center


# Color groups


def second_shares(net: FeatureField, told: tuple[int, int, int], place: tuple[float, ...] = HERE) -> Tensor:
    """Of the main slot, at the centers of the patterns' cells around the thing's center."""
    offset = centers(TINY.pattern_cells)
    points = (offset + torch.tensor(place[1:], dtype=torch.float64))[None, :, None]
    toward = torch.tensor([[[0.0, 0.0, -1.0]]], dtype=torch.float64).expand(1, len(offset), 3)
    groups = net._things(torch.tensor([told]), rows(place), points, toward)[1][0, :, 0, :PAINTS]
    slots = groups[:, : PAINTS - 1] / groups.sum(-1, keepdim=True)
    second = groups[:, -1] / groups.sum(-1)
    assert torch.allclose(slots[:, 0] + second, SHARES[0].expand(len(offset)))
    assert torch.allclose(slots[:, 1:], SHARES[1:].expand(len(offset), -1))
    return second / SHARES[0]


def patterned() -> FeatureField:
    """A homogeneous field whose patterns are those of the catalog's geometry, rounded to cells."""
    net = homogeneous(1, 1.0)
    offset = centers(TINY.pattern_cells)
    for i, code in enumerate((BANDS_X, BANDS_X + 1, BANDS_X + 2, CHECKER, SPOTS)):
        net.patterns[i, 0] = shows_second(torch.full((len(offset),), code), offset).double() * 2 - 1
    net.stripes.zero_()
    return net


def expected_shares(code: int) -> Tensor:
    offset = centers(TINY.pattern_cells)
    return (4 * (shows_second(torch.full((len(offset),), code), offset).double() * 2 - 1)).sigmoid()


def test_patterns_are_numbered_as_captions_number_them():
    assert [PATTERNS[i] for i in (0, STRIPED, CHECKERED, SPOTTED)] == ["plain", "striped", "checkered", "spotted"]


def test_patterns_go_to_the_second_color():
    """Each pattern takes its share from the main slot alone; plain things have none."""
    net = patterned()
    assert not second_shares(net, (0, 0, 0)).any()
    for number, code in ((CHECKERED, CHECKER), (SPOTTED, SPOTS)):
        assert torch.allclose(second_shares(net, (0, 0, number)), expected_shares(code))
    assert (expected_shares(CHECKER) - expected_shares(SPOTS)).abs().max() > 0.5


@pytest.mark.parametrize("axis", range(AXES))
def test_stripes_run_across_the_axis_that_the_kind_and_relation_choose(axis):
    net, place = patterned(), (-0.4, 0.1, 0.2, -0.1)
    net.stripes[2, 1, axis] = 60.0
    assert torch.allclose(second_shares(net, (2, 1, STRIPED), place), expected_shares(BANDS_X + axis))
    for other in {0, 1, 2} - {axis}:
        assert (second_shares(net, (2, 1, STRIPED), place) - expected_shares(BANDS_X + other)).abs().max() > 0.5
    undecided = torch.stack([expected_shares(BANDS_X + a).logit() for a in range(AXES)]).mean(0).sigmoid()
    for told in ((1, 1, STRIPED), (2, 0, STRIPED)):  # another kind, another relation
        assert torch.allclose(second_shares(net, told, place), undecided)


def test_fresh_stripes_are_level():
    assert (FeatureField(KINDS, RELATIONS, TINY).stripes.argmax(-1) == 1).all()


@pytest.mark.parametrize("pattern", [STRIPED, CHECKERED, SPOTTED])
def test_patterns_are_not_scaled_with_their_thing(pattern):
    """They move with it, but keep their size: unlike what its own volume holds."""
    net = field()
    net.volumes[:, 1:PAINTS] = SHARES.log()[:, None]
    large, small = (second_shares(net, (1, 2, pattern), (scale, 0.3, 0.0, -0.2)) for scale in (0.0, -0.8))
    assert torch.allclose(large, second_shares(net, (1, 2, pattern)))
    assert torch.allclose(large, small)
    assert large.std() > 0.1
