import math

import pytest
import torch
from torch import Tensor

from guidance.networks.feature_field import EDGE, GROUPS, MIDDLE, PAINTS, THINGS, FeatureField, FieldSize, march
from guidance.networks.rays import ball_chords, camera_rays
from nerf.cameras import Cameras

CODE = 6
SIDE = 16
TINY = FieldSize(features=3, hidden=16, side=SIDE, samples=6)
FRONT = (0.0, 0.0, 3.2, 0.7)
HERE = (0.0, 0.0, 0.0, 0.0)
BOTH = torch.tensor([[True, True]])
FIRST = torch.tensor([[True, False]])


def field(size: FieldSize = TINY, seed: int = 0) -> FeatureField:
    """A fresh field in float64, for comparisons to many digits."""
    torch.manual_seed(seed)
    return FeatureField(CODE, size).requires_grad_(False).double()


def homogeneous(samples: int, density: float) -> FeatureField:
    """Of one density inside a thing's ball, of radius EDGE in its own frame; its color groups have shares 4:3:2:1."""
    net = field(FieldSize(features=3, hidden=16, side=SIDE, samples=samples))
    net.out.weight.zero_()
    net.out.bias[0] = math.log(math.expm1(density / 2.5)) / 4
    net.out.bias[1 : 1 + PAINTS] = torch.tensor([4.0, 3.0, 2.0, 1.0]).log()
    return net


def codes(count: int = 1) -> Tensor:
    return torch.randn(count, THINGS, CODE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def rows(*numbers: tuple[float, ...]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def places(*things: tuple[float, ...]) -> Tensor:
    """Of one picture, (1, 2, 4)."""
    return rows(*things)[None]


def world_rays(camera: Tensor, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """The renderer's rays, (b, side, side, 3) each."""
    return Cameras(*camera.T).rays(side)


def chord(origin: Tensor, direction: Tensor, center: Tensor, radius: float) -> Tensor:
    """Length of rays in a ball, by the distance of a line from a point."""
    apart = torch.linalg.cross(center - origin, direction).norm(dim=-1)
    return 2 * (radius**2 - apart**2).clamp_min(0).sqrt()


# Rays

CAMERAS = rows((0.3, 0.2, 3.2, 0.7), (-2.0, -0.2, 2.0, 0.5), (3.1, 0.9, 1.5, 1.2))


@pytest.mark.parametrize("side", [1, 16, 21])
def test_rays_are_those_of_the_renderer(side):
    origin, direction = camera_rays(CAMERAS, side)
    origins, directions = world_rays(CAMERAS, side)
    assert torch.allclose(origin[:, None, None].expand_as(origins), origins)
    assert torch.allclose(torch.nn.functional.normalize(direction, dim=-1), directions)
    depth = torch.einsum("bhwc,bc->bhw", direction, -origin) / CAMERAS[:, 2, None, None]
    assert torch.allclose(depth, torch.ones_like(depth))
    if side > 1:
        for wrong in (directions.flip(1), directions.flip(2), directions.transpose(1, 2)):
            assert not torch.allclose(torch.nn.functional.normalize(direction, dim=-1), wrong, atol=0.05)


def test_chords_are_those_of_the_unit_ball():
    """By entry and exit on the sphere, and by the distance of the ray from the center; from inside the ball a ray
    starts at its camera, and what lies behind the camera is not seen."""
    origins, directions = world_rays(CAMERAS)
    near, length = ball_chords(origins[:, 0, 0], directions.flatten(1, 2))
    expected = chord(origins, directions, torch.zeros(3, dtype=torch.float64), 1.0).flatten(1)
    assert torch.allclose(length, expected)
    hit = length > 0
    assert 0 < hit.double().mean() < 1
    for t in (near, near + length):
        points = origins.flatten(1, 2) + t[..., None] * directions.flatten(1, 2)
        assert torch.allclose(points.norm(dim=-1)[hit], torch.ones(int(hit.sum()), dtype=torch.float64))
    inside = torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64)
    ahead = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    assert torch.allclose(ball_chords(inside, ahead)[1], rows((1.5, 0.5)), atol=1e-3)
    assert not ball_chords(4 * inside, ahead)[1][0, 1]


# Volume rendering


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("density", [0.3, 5.0])
def test_a_homogeneous_ball_has_the_closed_form(samples, density):
    """Opacity 1 - exp(-density * chord), with any number of samples; its shares of the color groups in proportion."""
    camera = rows((0.4, 0.3, 3.2, 0.7))
    seen = homogeneous(samples, density)(codes(), places(HERE, HERE), FIRST, camera)
    origins, directions = world_rays(camera)
    length = chord(origins, directions, torch.zeros(3, dtype=torch.float64), 1.0)
    assert torch.allclose(seen.opacity[:, 0], -torch.expm1(-density * length))
    shares = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)[None, :, None, None]
    assert torch.allclose(seen.coverage[:, :PAINTS], shares * seen.opacity)
    assert not seen.coverage[:, PAINTS:].any()
    assert not torch.allclose(seen.opacity[:, 0], -torch.expm1(-density * length / 2), atol=0.02)


PLACES = [
    (-0.7, 0.4, 0.0, 0.0),
    (-0.7, 0.0, 0.4, 0.0),
    (-0.9, 0.1, -0.2, 0.45),
    (-1.5, -0.5, 0.4, -0.3),
]  # inside the unit ball


@pytest.mark.parametrize("place", PLACES)
def test_a_place_moves_and_scales_what_is_seen(place):
    """A ball anywhere, of any size, from anywhere: the chords of the ball that geometry puts there."""
    camera = rows((0.9, 0.3, 3.2, 0.7))
    net = homogeneous(800, 2.0)
    seen = net(codes(), places(place, HERE), FIRST, camera).opacity[:, 0]
    origins, directions = world_rays(camera)

    def expected(scale: float, *center: float) -> Tensor:
        return -torch.expm1(-2.0 * chord(origins, directions, torch.tensor(center).double(), EDGE * math.exp(scale)))

    assert (seen - expected(*place)).abs().max() < 0.01
    scale, x, y, z = place
    for wrong in ((scale, -x, -y, -z), (0.0, x, y, z), (-scale, x, y, z), (scale, 0.0, 0.0, 0.0)):
        assert (seen - expected(*wrong)).abs().max() > 0.1


def test_rendering_is_the_sum_over_samples():
    """Brute force on two overlapping things: every ray, every sample, front to back."""
    net, camera, place = field(), CAMERAS[:1], places((-0.4, 0.2, 0.1, 0.3), (-0.6, -0.1, -0.2, 0.0))
    code = codes()
    seen = net(code, place, BOTH, camera).stacked()
    origins, directions = (v.reshape(-1, 3) for v in world_rays(camera))
    checked = 0
    for ray in range(0, SIDE**2, 7):
        length = float(chord(origins[ray], directions[ray], torch.zeros(3, dtype=torch.float64), 1.0))
        middle = float(-(origins[ray] * directions[ray]).sum())
        expected, light = torch.zeros(seen.shape[1], dtype=torch.float64), 1.0
        for k in range(TINY.samples if length else 0):
            t = middle - length / 2 + (k + 0.5) / TINY.samples * length
            point = (origins[ray] + t * directions[ray])[None, None, None]
            answers = [net._things(code[:, i], place[:, i], point) for i in range(THINGS)]
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


def turned(net: FeatureField, angle: float) -> FeatureField:
    """The field of every thing turned about the vertical by `angle`, from +z toward +x."""
    other = field()
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]], dtype=torch.float64)
    other.waves[:3], other.waves[3:] = turn @ net.waves[:3], turn @ net.waves[3:]
    return other


def test_a_camera_that_goes_around_sees_the_things_turned_back():
    """Azimuth + 90 degrees shows what the old camera sees of the things turned by -90 degrees, places and all."""
    net, code = field(), codes()
    (a, b), quarter = ((-0.5, 0.3, 0.2, 0.1), (-0.6, -0.2, -0.3, 0.25)), math.pi / 2
    around = net(code, places(a, b), BOTH, rows((0.3 + quarter, 0.2, 3.2, 0.7))).stacked()

    def still(sign: float, *things: tuple[float, ...]) -> Tensor:
        """Centers turned by sign * 90 degrees: (x, z) -> sign * (z, -x)."""
        moved = [(scale, sign * z, y, -sign * x) for scale, x, y, z in things]
        return turned(net, sign * quarter)(code, places(*moved), BOTH, rows((0.3, 0.2, 3.2, 0.7))).stacked()

    assert torch.allclose(around, still(-1.0, a, b), atol=1e-9)
    assert (around - still(1.0, a, b)).abs().max() > 0.1  # the other way around
    ignored = net(code, places((a[0], 0, 0, 0), (b[0], 0, 0, 0)), BOTH, rows((0.3 + quarter, 0.2, 3.2, 0.7)))
    assert (around - ignored.stacked()).abs().max() > 0.1  # places ignored


def test_the_depth_is_that_of_what_is_seen():
    """Of an opaque little ball: the way to its front, from MIDDLE."""
    camera, place = rows(FRONT), places((-1.5, 0.0, 0.0, 0.4), HERE)
    seen = homogeneous(800, 400.0)(codes(), place, FIRST, camera)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
    depth = (seen.depth / seen.opacity)[0, 0, middle, middle]
    assert (depth - (3.2 - 0.4 - EDGE * math.exp(-1.5) - MIDDLE)).abs().max() < 0.02


# Two things


@pytest.mark.parametrize(("azimuth", "front"), [(0.0, 0), (math.pi, 1)])
def test_the_nearer_thing_hides_the_farther(azimuth, front):
    """Two balls in a row, on rays through both: the nearer covers 1 - exp(-d c), the farther what light is left."""
    density, place = 2.0, places((-1.2, 0.0, 0.0, 0.5), (-1.2, 0.0, 0.0, -0.5))
    camera = rows((azimuth, 0.0, 3.2, 0.7))
    seen = homogeneous(800, density)(codes(), place, BOTH, camera)
    origins, directions = world_rays(camera)
    radius = EDGE * math.exp(-1.2)
    own = [-torch.expm1(-density * chord(origins, directions, place[0, i, 1:], radius)) for i in range(THINGS)]
    cover = seen.coverage.view(THINGS, PAINTS, SIDE, SIDE)
    back = 1 - front
    assert (cover[front].sum(0) - own[front][0]).abs().max() < 0.02
    assert (cover[back].sum(0) - (own[back] * (1 - own[front]))[0]).abs().max() < 0.02
    assert (cover[back].sum(0) - own[back][0]).abs().max() > 0.2  # nothing hidden
    assert torch.allclose(seen.coverage.sum(1), seen.opacity[:, 0])


def test_things_in_one_place_share_it():
    camera, density = rows(FRONT), 0.8
    seen = homogeneous(6, density)(codes(), places(HERE, HERE), BOTH, camera)
    origins, directions = world_rays(camera)
    length = chord(origins, directions, torch.zeros(3, dtype=torch.float64), 1.0)
    assert torch.allclose(seen.opacity[:, 0], -torch.expm1(-2 * density * length))
    first, second = seen.coverage.split(PAINTS, 1)
    assert torch.allclose(first, second)
    assert torch.allclose(first.sum(1), seen.opacity[:, 0] / 2)


def test_things_that_are_not_there_leave_no_trace():
    net, camera, place = field(), rows(FRONT), places((-0.5, 0.3, 0.0, 0.0), (-0.5, -0.3, 0.0, 0.0))
    code = codes()
    one = net(code, place, FIRST, camera).stacked()
    other = code.clone(), place.clone()
    other[0][:, 1], other[1][:, 1] = 7.0, 0.0
    assert torch.equal(net(*other, FIRST, camera).stacked(), one)
    assert not one[:, TINY.features + PAINTS : TINY.features + GROUPS].any()
    second = net(code, place, ~FIRST, camera)
    assert not second.coverage[:, :PAINTS].any()
    assert second.coverage[:, PAINTS:].any()
    none = net(code, place, torch.zeros_like(FIRST), camera)
    assert not none.stacked().any()
    assert none.stacked().shape == one.shape


def test_pictures_of_a_batch_do_not_see_each_other():
    """Mixed cameras and distances, one thing, two, none, in any row: the same as one by one."""
    net = field()
    camera = torch.cat([CAMERAS, rows((0, 0, 0, 0), (1.0, 0.1, 30.0, 0.7), (0.5, 0.4, 0.6, 0.9))])
    present = torch.tensor([[1, 1], [0, 1], [0, 0], [0, 0], [1, 1], [1, 0]], dtype=torch.bool)
    code = codes(6)
    place = 0.3 * torch.randn(6, THINGS, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    whole = net(code, place, present, camera).stacked()
    for i in range(6):
        row = slice(i, i + 1)
        alone = net(code[row], place[row], present[row], camera[row]).stacked()
        assert torch.allclose(whole[row], alone, atol=1e-12)
    assert whole.flatten(1).any(1).tolist() == [True, True, False, False, True, True]


def test_everything_learns():
    net = field().requires_grad_(True)
    place = places((-0.5, 0.3, 0.0, 0.0), (-0.5, -0.3, 0.0, 0.0)).requires_grad_(True)
    code = codes().requires_grad_(True)
    net(code, place, BOTH, rows(FRONT)).stacked().square().sum().backward()
    for tensor in (code, place, *net.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.any()
