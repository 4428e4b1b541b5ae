import math

import pytest
import torch
from torch import Tensor

from guidance.networks.feature_field import (
    EDGE,
    GROUPS,
    MIDDLE,
    PAINTS,
    THINGS,
    FeatureField,
    FieldSize,
    march,
    sampled,
)
from tests.guidance.networks.fields import (
    CHECKERED,
    EVERYWHERE,
    FIRST,
    HERE,
    KINDS,
    PLAIN,
    RELATIONS,
    SHARES,
    SIDE,
    SPOTTED,
    STRIPED,
    TINY,
    centers,
    covered,
    entry_and_chord,
    field,
    homogeneous,
    places,
    rows,
    world_rays,
)

FRONT = (0.0, 0.0, 3.2, 0.7)
BOTH = torch.tensor([[True, True]])
CAMERAS = torch.tensor(((0.3, 0.2, 3.2, 0.7), (-2.0, -0.2, 2.0, 0.5), (3.1, 0.9, 1.5, 1.2)), dtype=torch.float64)


def mixed(count: int = 1) -> Tensor:
    """Numbers of things of all sorts, (count, 2, 3)."""
    rng = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(n, (count, THINGS), generator=rng) for n in (KINDS, 1 + RELATIONS, 4)], -1)


# Volumes


def test_volumes_are_read_where_their_cells_are():
    """A linear function is read back exactly between the outermost centers of cells, and held beyond them."""
    slope = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    volume = (centers(5) @ slope + 0.3)[None, None]
    points = 2 * torch.rand(1, 7, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    read = sampled(volume, points)
    assert read.shape == (1, 7, 9, 1)
    assert torch.allclose(read[..., 0], points.clamp(-0.8, 0.8) @ slope + 0.3)
    assert not torch.allclose(read[..., 0], points.clamp(-0.8, 0.8).flip(-1) @ slope + 0.3, atol=0.5)


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("density", [0.3, 5.0])
def test_a_homogeneous_ball_has_the_closed_form(samples, density):
    """Of a volume that fills the unit ball: opacity 1 - exp(-density * chord), with any number of samples."""
    camera = rows((0.4, 0.3, 3.2, 0.7))
    seen = homogeneous(samples, density, camera)(PLAIN, places(EVERYWHERE, HERE), FIRST, camera)
    expected = covered(density, camera, *EVERYWHERE)
    origin, direction = world_rays(camera)
    hit = torch.linalg.cross(origin, direction).norm(dim=-1) < 1
    assert torch.equal(expected > 0, hit)
    assert torch.allclose(seen.opacity[:, 0], expected)
    assert torch.allclose(seen.coverage[:, : PAINTS - 1], SHARES[None, :, None, None] * seen.opacity)
    assert not seen.coverage[:, PAINTS - 1 :].any()
    assert not torch.allclose(seen.opacity[:, 0], covered(density / 2, camera, *EVERYWHERE), atol=0.02)


PLACES = [
    HERE,
    (-0.7, 0.4, 0.0, 0.0),
    (-0.7, 0.0, 0.4, 0.0),
    (-0.9, 0.1, -0.2, 0.45),
    (-1.5, -0.5, 0.4, -0.3),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_moves_and_scales_what_is_seen(place):
    """A box anywhere, of any size: the chords of the box that geometry puts there."""
    camera = rows((0.9, 0.3, 3.2, 0.7))
    seen = homogeneous(800, 2.0)(PLAIN, places(place, HERE), FIRST, camera).opacity[:, 0]
    assert (seen - covered(2.0, camera, *place)).abs().max() < 0.01
    scale, x, y, z = place
    moved, sized = any(place[1:]), scale != 0
    wrong = [(scale, -x, -y, -z), (scale, 0.0, 0.0, 0.0)] * moved + [(0.0, x, y, z), (-scale, x, y, z)] * sized
    for other in [*wrong, (scale - 0.2, x, y, z)]:
        assert (seen - covered(2.0, camera, *other)).abs().max() > 0.1


def test_rendering_is_the_sum_over_samples():
    """Brute force on two overlapping things: every ray, every sample, front to back."""
    net, camera, place = field(), CAMERAS[:1], places((-0.4, 0.2, 0.1, 0.3), (-0.6, -0.1, -0.2, 0.0))
    told = torch.tensor([[[1, 1, STRIPED], [2, 1, SPOTTED]]])
    seen = net(told, place, BOTH, camera).stacked()
    origins, directions = (v.reshape(-1, 3) for v in world_rays(camera))
    chords = entry_and_chord(camera, EVERYWHERE)[1].flatten()
    checked = 0
    for ray in range(0, SIDE**2, 7):
        length, toward = float(chords[ray]), directions[ray][None, None]
        middle = float(-(origins[ray] * directions[ray]).sum())
        expected, light = torch.zeros(seen.shape[1], dtype=torch.float64), 1.0
        for k in range(TINY.samples if length else 0):
            t = middle - length / 2 + (k + 0.5) / TINY.samples * length
            point = (origins[ray] + t * directions[ray])[None, None, None]
            answers = [net._things(told[:, i], place[:, i], point, toward) for i in range(THINGS)]
            optical = [float(density) * length / TINY.samples for density, _ in answers]
            stopped = light * (1 - math.exp(-sum(optical)))
            for i, (_, answer) in enumerate(answers):
                weight = stopped * optical[i] / max(sum(optical), 1e-12)
                groups, features = answer.flatten().split([PAINTS, TINY.features])
                start = TINY.features + i * PAINTS
                expected[: TINY.features] += weight * features
                expected[start : start + PAINTS] += weight * groups
                expected[-2] += weight
                expected[-1] += weight * (t - MIDDLE)
            light *= math.exp(-sum(optical))
            checked += sum(optical) > 0
        assert torch.allclose(seen.flatten(2)[0, :, ray], expected, atol=1e-6)
    assert checked > 40


def test_weights_of_a_ray_are_the_light_it_loses():
    """Two pictures, one with two things: the weights of a picture sum to 1 - exp(-its optical depth)."""
    optical = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    picture = torch.tensor([0, 1, 1])
    weights = march(optical, picture, 2)
    for p in (0, 1):
        mine = picture == p
        assert torch.allclose(weights[mine].sum((0, 2)), -torch.expm1(-optical[mine].sum((0, 2))))
    assert not march(torch.zeros_like(optical), picture, 2).any()


# Cameras and places


def turned(net: FeatureField) -> FeatureField:
    """The field of every thing turned about the vertical by 90 degrees, from +z to +x, patterns and all."""
    other = field()

    def turn(volume: Tensor, cells: int) -> Tensor:
        cube = volume.unflatten(-1, (cells, cells, cells))  # z, y, x: what was at (x, z) is at (z, -x)
        return cube.flip(-1).transpose(-1, -3).flatten(-3)

    other.volumes.copy_(turn(net.volumes, TINY.cells))
    other.patterns.copy_(turn(net.patterns, TINY.pattern_cells))
    other.stripes.copy_(net.stripes)
    x, z = other.volumes[:, PAINTS].clone(), other.volumes[:, PAINTS + 2].clone()
    other.volumes[:, PAINTS], other.volumes[:, PAINTS + 2] = z, -x
    return other


def test_a_camera_that_goes_around_sees_the_things_turned_back():
    """Azimuth + 90 degrees shows what the old camera sees of the things turned by -90 degrees, places and all."""
    net, told = field(), torch.tensor([[[0, 1, STRIPED], [2, 1, SPOTTED]]])
    (a, b), quarter = ((-0.5, 0.3, 0.2, 0.1), (-0.6, -0.2, -0.3, 0.25)), math.pi / 2
    around = net(told, places(a, b), BOTH, rows((0.3 + quarter, 0.2, 3.2, 0.7))).stacked()

    def still(turns: int, *things: tuple[float, ...]) -> Tensor:
        """The old camera's view of everything turned so many times, its normals turned back for comparison."""
        other = net
        for _ in range(turns):
            other, things = turned(other), tuple((scale, z, y, -x) for scale, x, y, z in things)
        seen = other(told, places(*things), BOTH, rows((0.3, 0.2, 3.2, 0.7))).stacked()
        for _ in range(turns):
            x, z = seen[:, 0].clone(), seen[:, 2].clone()
            seen[:, 0], seen[:, 2] = -z, x
        return seen

    assert torch.allclose(around, still(3, a, b), atol=1e-9)
    assert (around - still(1, a, b)).abs().max() > 0.1  # the other way around
    ignored = net(told, places((a[0], 0, 0, 0), (b[0], 0, 0, 0)), BOTH, rows((0.3 + quarter, 0.2, 3.2, 0.7)))
    assert (around - ignored.stacked()).abs().max() > 0.1  # places ignored


def test_the_depth_is_that_of_what_is_seen():
    """Of an opaque little box: the way to its front, from MIDDLE."""
    camera, place = rows(FRONT), places((-1.5, 0.0, 0.0, 0.4), HERE)
    seen = homogeneous(800, 400.0)(PLAIN, place, FIRST, camera)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
    depth = (seen.depth / seen.opacity)[0, 0, middle, middle]
    assert (depth - (3.2 - 0.4 - EDGE * math.exp(-1.5) - MIDDLE)).abs().max() < 0.02


# Two things


@pytest.mark.parametrize(("azimuth", "front"), [(0.0, 0), (math.pi, 1)])
def test_the_nearer_thing_hides_the_farther(azimuth, front):
    """Two boxes in a row, on rays through both: the nearer covers 1 - exp(-d c), the farther what light is left."""
    density, things = 2.0, ((-1.2, 0.0, 0.0, 0.5), (-1.2, 0.0, 0.0, -0.5))
    camera = rows((azimuth, 0.0, 3.2, 0.7))
    seen = homogeneous(800, density, camera)(PLAIN, places(*things), BOTH, camera)
    own = [covered(density, camera, *thing)[0] for thing in things]
    cover = seen.coverage.view(THINGS, PAINTS, SIDE, SIDE).sum(1)
    back = 1 - front
    assert (cover[front] - own[front]).abs().max() < 0.02
    assert (cover[back] - own[back] * (1 - own[front])).abs().max() < 0.02
    assert (cover[back] - own[back]).abs().max() > 0.2  # nothing hidden
    assert torch.allclose(seen.coverage.sum(1), seen.opacity[:, 0])


def test_things_in_one_place_share_it():
    camera, density = rows(FRONT), 0.8
    seen = homogeneous(6, density, camera)(PLAIN, places(EVERYWHERE, EVERYWHERE), BOTH, camera)
    assert torch.allclose(seen.opacity[:, 0], covered(2 * density, camera, *EVERYWHERE))
    first, second = seen.coverage.split(PAINTS, 1)
    assert torch.allclose(first, second)
    assert torch.allclose(first.sum(1), seen.opacity[:, 0] / 2)


def test_kinds_have_volumes_of_their_own():
    """Two things in their own places: the numbers decide which is which."""
    net, camera, place = field(), rows(FRONT), places((-0.7, 0.0, 0.4, 0.0), (-0.7, 0.0, -0.4, 0.0))
    told = torch.tensor([[[0, 1, 0], [2, 1, CHECKERED]]])
    one = net(told, place, BOTH, camera)
    other = net(told.flip(1), place.flip(1), BOTH, camera)
    assert torch.allclose(one.opacity, other.opacity)
    assert torch.allclose(one.features, other.features)
    assert torch.allclose(one.coverage, other.coverage.roll(PAINTS, 1))
    assert (one.opacity - net(told.flip(1), place, BOTH, camera).opacity).abs().max() > 0.1


def test_things_that_are_not_there_leave_no_trace():
    net, camera, place = field(), rows(FRONT), places((-0.5, 0.3, 0.0, 0.0), (-0.5, -0.3, 0.0, 0.0))
    told = torch.tensor([[[0, 0, SPOTTED], [1, 0, STRIPED]]])
    one = net(told, place, FIRST, camera).stacked()
    other = told.clone(), place.clone()
    other[0][:, 1], other[1][:, 1] = 99, 0.0
    assert torch.equal(net(*other, FIRST, camera).stacked(), one)
    assert not one[:, TINY.features + PAINTS : TINY.features + GROUPS].any()
    second = net(told, place, ~FIRST, camera)
    assert not second.coverage[:, :PAINTS].any()
    assert second.coverage[:, PAINTS:].any()
    none = net(told, place, torch.zeros_like(FIRST), camera)
    assert not none.stacked().any()
    assert none.stacked().shape == one.shape


def test_pictures_of_a_batch_do_not_see_each_other():
    """Mixed cameras and distances, one thing, two, none, in any row: the same as one by one."""
    net = field()
    camera = torch.cat([CAMERAS, rows((0, 0, 0, 0), (1.0, 0.1, 30.0, 0.7), (0.5, 0.4, 0.6, 0.9))])
    present = torch.tensor([[1, 1], [0, 1], [0, 0], [0, 0], [1, 1], [1, 0]], dtype=torch.bool)
    told = mixed(6)
    place = 0.3 * torch.randn(6, THINGS, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    whole = net(told, place, present, camera).stacked()
    for i in range(6):
        row = slice(i, i + 1)
        alone = net(told[row], place[row], present[row], camera[row]).stacked()
        assert torch.allclose(whole[row], alone, atol=1e-12)
    assert whole.flatten(1).any(1).tolist() == [True, True, False, False, True, True]


def test_everything_learns():
    net = field().requires_grad_(True)
    place = places((-0.5, 0.3, 0.0, 0.0), (-0.5, -0.3, 0.0, 0.0)).expand(2, -1, -1).clone().requires_grad_(True)
    told = torch.tensor([[[0, 1, STRIPED], [1, 1, CHECKERED]], [[2, 2, SPOTTED], [0, 2, 0]]])
    present = BOTH.expand(2, -1)
    net(told, place, present, rows(FRONT, FRONT)).stacked().square().sum().backward()
    parts = [*net.volumes.grad.unbind(1), *net.patterns.grad, net.stripes.grad[0, 1], *place.grad.unbind(-1)]
    for grad in parts:
        assert grad.isfinite().all()
        assert grad.any()
    untouched = net.stripes.grad.clone()
    untouched[0, 1] = 0.0
    assert not untouched.any()  # nothing else is striped


@pytest.mark.parametrize("name", ["cells", "pattern_cells", "extra", "side", "samples"])
def test_sizes_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} of the field must be at least 1, got 0"):
        FieldSize(**{name: 0})
