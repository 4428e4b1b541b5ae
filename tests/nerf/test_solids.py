import math
from dataclasses import replace

import pytest
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from nerf import patterns
from nerf import solids as s
from nerf.cameras import Cameras, orbit
from nerf.solids import Solids

FOV = math.radians(40)
PI = math.pi

# kind: (name, size, closed-form volume, whether the distance outside is exact)
CASES = {
    s.ELLIPSOID: ("ellipsoid", (0.5, 0.3, 0.7), 4 / 3 * PI * 0.5 * 0.3 * 0.7, False),
    s.BOX: ("box", (0.5, 0.3, 0.7), 8 * 0.5 * 0.3 * 0.7, True),
    s.FRUSTUM: ("frustum", (0.6, 0.2, 0.5), PI * 1.0 / 3 * (0.36 + 0.12 + 0.04), False),
    s.TORUS: ("torus", (0.6, 0.25, 1.0), 2 * PI**2 * 0.6 * 0.25**2, True),
    s.DOME: ("dome", (0.5, 0.6, 0.7), 2 / 3 * PI * 0.5 * 0.6 * 0.7, False),
    s.WEDGE: ("wedge", (0.5, 0.3, 0.7), 4 * 0.5 * 0.3 * 0.7, False),
    s.PYRAMID: ("pyramid", (0.5, 0.4, 0.7), 8 / 3 * 0.5 * 0.4 * 0.7, False),
    s.CAPSULE: ("capsule", (0.3, 0.4, 1.0), PI * 0.09 * 0.8 + 4 / 3 * PI * 0.027, True),
}
KINDS = pytest.mark.parametrize("kind", CASES, ids=[case[0] for case in CASES.values()])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pose() -> tuple[Tensor, Tensor]:
    """A rotation that is its own inverse nowhere, and a shift."""
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator(5)))
    return rotation * rotation.det().sign(), torch.tensor([0.15, -0.1, 0.2])


def posed(kind: int) -> Solids:
    rotation, shift = pose()
    size = torch.tensor([CASES[kind][1]])
    return Solids.plain(torch.tensor([kind]), size, shift[None], rotation[None], torch.tensor([0]))


def sphere(radius: float, group: int = 0, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solids:
    size = torch.full((1, 3), radius)
    groups = torch.tensor([group])
    return Solids.plain(torch.tensor([s.ELLIPSOID]), size, torch.tensor([center]), torch.eye(3)[None], groups)


def corners(kind: int, a: float, b: float, c: float) -> list[tuple[float, float, float]]:
    signs = (-1, 1)
    if kind == s.BOX:
        return [(i * a, j * b, k * c) for i in signs for j in signs for k in signs]
    foot = [(i * a, -b, k * c) for i in signs for k in signs]
    return foot + ([(0.0, b, -c), (0.0, b, c)] if kind == s.WEDGE else [(0.0, b, 0.0)])


def disc(count: int, radius: tuple[float, float], y: float, rng: torch.Generator) -> Tensor:
    r, angle = torch.rand(count, generator=rng).sqrt(), 2 * PI * torch.rand(count, generator=rng)
    return torch.stack([radius[0] * r * angle.cos(), torch.full_like(r, y), radius[1] * r * angle.sin()], -1)


def local_surface(kind: int, count: int = 30_000) -> Tensor:
    """Points (n, 3) that cover a part's surface, made without its distance function."""
    rng = generator(1)
    a, b, c = CASES[kind][1]
    u, angle = torch.rand(count, generator=rng), 2 * PI * torch.rand(count, generator=rng)
    ball = torch.nn.functional.normalize(torch.randn(count, 3, generator=rng), dim=-1)
    around = torch.stack([angle.cos(), torch.zeros(count), angle.sin()], -1)
    up = torch.tensor([0.0, 1.0, 0.0])
    match kind:
        case s.ELLIPSOID:
            return ball * torch.tensor([a, b, c])
        case s.DOME:
            ball[:, 1] = ball[:, 1].abs()
            return torch.cat([ball * torch.tensor([a, b, c]), disc(count, (a, c), 0.0, rng)])
        case s.FRUSTUM:
            side = around * (a + (b - a) * u)[:, None] + up * (2 * u - 1)[:, None] * c
            return torch.cat([side, disc(count, (a, a), -c, rng), disc(count, (b, b), c, rng)])
        case s.TORUS:
            turn = 2 * PI * u
            return around * (a + b * turn.cos())[:, None] + up * (b * turn.sin())[:, None]
        case s.CAPSULE:
            ends = ball * a + up * (ball[:, 1:2].sign() * b)
            return torch.cat([around * a + up * (2 * u - 1)[:, None] * b, ends])
    hull = ConvexHull(corners(kind, a, b, c))
    faces = torch.tensor(hull.points[hull.simplices], dtype=torch.float32)
    weight = torch.distributions.Dirichlet(torch.ones(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        share = weight.sample((len(faces), 2 * count // len(faces)))
    return torch.cat([torch.einsum("fnk,fkd->fnd", share, faces).reshape(-1, 3), *faces])


def surface(kind: int) -> Tensor:
    rotation, shift = pose()
    return local_surface(kind) @ rotation.T + shift


# Distances and volumes


@KINDS
def test_distance_is_zero_on_the_surface(kind):
    assert posed(kind).distance(surface(kind)).abs().max() < 2e-6


@KINDS
def test_distance_outside_never_exceeds_the_true_one(kind):
    points = torch.rand(400, 3, generator=generator(3)) * 3 - 1.5
    true = torch.cdist(points, surface(kind)).amin(-1)
    bound = posed(kind).distance(points)
    outside = bound > 0
    assert outside.sum() > 200
    assert (bound <= true + 1e-5)[outside].all()
    assert not (1.3 * bound <= true + 1e-5)[outside].all()  # a longer step would leave the surface behind
    if CASES[kind][3]:
        assert (true - bound)[outside].max() < 0.02


@KINDS
def test_volume_inside(kind):
    low, high = s.extent(posed(kind))
    points = low + (high - low) * torch.rand(200_000, 3, generator=generator(4))
    measured = posed(kind).inside(points).float().mean() * (high - low).prod()
    assert float(measured) == pytest.approx(CASES[kind][2], rel=0.01)


def test_centers_of_ellipsoids_are_inside():
    assert sphere(0.5).distance(torch.zeros(1, 3)).tolist() == [-0.5]


# Support functions


@KINDS
def test_reach_is_the_farthest_surface_point(kind):
    directions = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator(6)), dim=-1)
    brute = (directions @ surface(kind).T).amax(-1)
    found = s.reach(posed(kind), directions)
    assert (found >= brute - 1e-6).all()
    assert (found - brute).max() < 0.01
    turned = replace(posed(kind), rotation=posed(kind).rotation.mT)
    assert (s.reach(turned, directions) - brute).abs().max() > 0.03


def test_extent_of_a_union():
    scene = s.join(posed(s.TORUS), posed(s.WEDGE), sphere(0.2, center=(0.5, 0.5, 0.5)))
    low, high = s.extent(scene)
    points = torch.cat([surface(s.TORUS), surface(s.WEDGE), 0.5 + torch.eye(3) * 0.2, 0.5 - torch.eye(3) * 0.2])
    assert (low - points.amin(0)).abs().max() < 0.01
    assert (high - points.amax(0)).abs().max() < 0.01


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="unknown solid kind 9"):
        s.extent(replace(sphere(1.0), kind=torch.tensor([9])))


# Unions


def test_join_and_moved():
    points = torch.rand(500, 3, generator=generator(7)) * 2 - 1
    parts = [posed(s.BOX), sphere(0.3, group=1, center=(-0.6, 0.0, 0.0))]
    whole = s.join(*parts)
    each = torch.stack([p.distance(points) for p in parts])
    assert torch.equal(whole.distance(points), each.amin(0))
    assert torch.equal(whole.nearest_group(points), each.argmin(0))
    shift = torch.tensor([0.1, -0.2, 0.3])
    moved = whole.moved(0.5, shift).distance(points * 0.5 + shift)
    assert torch.allclose(moved, whole.distance(points) * 0.5, atol=1e-6)
    assert torch.equal(whole.only(torch.tensor([False, True])).distance(points), each[1])
    spotted = worn(parts[0], patterns.SPOTS)
    there = spotted.moved(1.0, shift).nearest_group(points + shift)
    assert (there == spotted.nearest_group(points)).float().mean() > 0.99  # all but points that rounding moves
    assert (there == spotted.nearest_group(points + shift)).float().mean() < 0.8


def test_padding_of_a_stack_changes_nothing():
    scenes = [s.join(posed(s.BOX), posed(s.TORUS), sphere(0.3)), worn(sphere(0.4, group=1), patterns.CHECKER)]
    batch = s.stack(scenes)
    points = torch.rand(2, 300, 3, generator=generator(8)) * 2 - 1
    for i, scene in enumerate(scenes):
        assert torch.equal(batch.distance(points)[i], scene.distance(points[i]))
        assert torch.equal(batch.nearest_group(points)[i], scene.nearest_group(points[i]))
    assert batch.kind[1].tolist() == [s.ELLIPSOID, s.EMPTY, s.EMPTY]


# Rendering


def every_kind() -> list[Solids]:
    """Three scenes in which every kind is seen, on its own and before others."""
    kinds = [replace(posed(k), group=torch.tensor([k % 3])) for k in CASES]
    small = [k.moved(0.7, torch.tensor([0.5 * (i % 3) - 0.5, 0.4 * (i // 3) - 0.4, 0.0])) for i, k in enumerate(kinds)]
    return [s.join(*small[:3]), s.join(*small[3:6]), s.join(*small[6:], sphere(0.3, group=1))]


def worn(scene: Solids, pattern: int) -> Solids:
    """All parts with one pattern, fixed to a point off the center, its second color two groups on."""
    anchor = torch.tensor([0.03, -0.07, 0.05]).expand_as(scene.center)
    codes = torch.full_like(scene.kind, pattern)
    return replace(scene, pattern=codes, anchor=anchor, second=(scene.group + 2) % 3)


PATTERNS = pytest.mark.parametrize("pattern", range(1, 6), ids=["x", "y", "z", "checker", "spots"])


def cameras() -> Cameras:
    return orbit(3, elevation=0.4, distance=3.2, fov=FOV)


def flat(picture: Tensor, tolerance: float = 0.02) -> Tensor:
    """Pixels (V, 1, S, S) in whose neighborhood no layer of the picture changes by more than `tolerance`."""
    most, least = (torch.nn.functional.max_pool2d(sign * picture, 3, 1, 1) for sign in (1, -1))
    return (most + least <= tolerance).all(1, keepdim=True)


def test_compiled_renderer_equals_the_reference():
    scenes, views, size = s.stack(every_kind()), cameras(), 24
    fast = s.render_groups(scenes, views, size, 3)
    slow = s.render_groups_reference(scenes, views, size, 3)
    apart = (fast - slow).abs()
    assert (fast.mean((-2, -1)) - slow.mean((-2, -1))).abs().max() < 2e-4
    assert apart[flat(slow).expand_as(slow)].max() < 1e-3
    assert apart.max() < 0.12  # one ray of nine, beyond an outline that the center rays did not see
    assert (apart.amax(1) > 0.03).float().mean() < 1e-3
    rough = s.render_groups_reference(scenes, views, size, 3, samples=1)  # the wrong variant: no antialiasing
    assert (rough - slow).abs().max() > 0.3
    assert (rough - slow).abs().mean() > 100 * apart.mean()


@PATTERNS
def test_compiled_patterns_equal_the_reference(pattern):
    scenes, views, size = s.stack([worn(scene, pattern) for scene in every_kind()]), cameras(), 24
    fast = s.render_groups(scenes, views, size, 3)
    slow = s.render_groups_reference(scenes, views, size, 3)
    apart = (fast - slow).abs()
    assert apart[flat(slow).expand_as(slow)].max() < 1e-3
    assert (apart.amax(1) > 0.03).float().mean() < 5e-3  # slivers that center rays do not see
    assert (fast.mean((-2, -1)) - slow.mean((-2, -1))).abs().max() < 1e-3
    rough = s.render_groups_reference(scenes, views, size, 3, samples=1)  # the wrong variant: no antialiasing
    assert (rough - slow).abs().mean() > 20 * apart.mean()
    moved = replace(scenes, anchor=scenes.anchor + 0.02)
    assert (s.render_groups(moved, views, size, 3) - slow).abs().mean() > 20 * apart.mean()


@PATTERNS
@pytest.mark.parametrize("render", [s.render_groups, s.render_groups_reference])
def test_patterns_are_fixed_to_the_thing(pattern, render):
    """One ray a pixel on a sphere, where it is hit in closed form: the group is the pattern's at that point."""
    radius, size, views = 0.8, 48, cameras()
    scene = worn(sphere(radius), pattern)
    picture = render(s.stack([scene] * 3), views, size, 3, samples=1)
    origin, direction = views.rays(size)
    along = -(origin * direction).sum(-1, keepdim=True)
    half = (radius**2 - (origin * origin).sum(-1, keepdim=True) + along**2).clamp_min(0).sqrt()
    points = origin + (along - half) * direction
    hit = half[..., 0] > 0.1

    def agreement(seen_at: Tensor) -> float:
        second = patterns.shows_second(scene.pattern, seen_at - scene.anchor[0])
        return float(((picture[:, 2] > 0) == second)[hit].float().mean())

    assert agreement(points) > 0.998  # the rest: hits are within 2e-4
    assert agreement(torch.einsum("vhwi,vij->vhwj", points, views.c2w[:, :3, :3])) < 0.8  # fixed to the camera
    assert 0.15 < float((picture[:, 2] > 0)[hit].float().mean()) < 0.6


def test_faces_of_a_box_are_exact():
    box = s.stack([posed(s.BOX)] * 3)
    fast, slow = (render(box, cameras(), 48, 1) for render in (s.render_groups, s.render_groups_reference))
    seen = flat(slow) & (slow[:, 1:] == 1)
    assert seen.sum() > 100
    assert (fast - slow).abs()[seen.expand_as(slow)].max() < 1e-3


def sphere_shade(views: Cameras, size: int, radius: float) -> Tensor:
    """The head-lit sphere at the origin, one ray a pixel, in closed form: (V, size, size), 0 where it is missed."""
    origin, direction = views.rays(size)
    along = -(origin * direction).sum(-1)
    half = (radius**2 - (origin * origin).sum(-1) + along**2).clamp_min(0).sqrt()
    cosine = half / radius  # between the ray and the normal where it enters
    return torch.where(half > 0, s.AMBIENT + s.DIFFUSE * cosine, torch.zeros_like(half))


@pytest.mark.parametrize("render", [s.render_groups, s.render_groups_reference])
def test_sphere_in_closed_form(render):
    radius, size, views = 0.8, 48, cameras()
    picture = render(s.stack([sphere(radius)] * 3), views, size, 1)
    projected = math.tan(math.asin(radius / 3.2)) / math.tan(FOV / 2)
    assert picture[:, 1].mean((-2, -1)).tolist() == pytest.approx([PI * projected**2 / 4] * 3, rel=2e-3)
    shade = sphere_shade(views, size, radius)
    even = flat(picture, 0.05)[:, 0] & (shade > 0)
    assert even.sum() > 500
    assert (picture[:, 0] - shade)[even].abs().max() < 1e-3
    wrong = shade - s.AMBIENT + 0.4  # another light
    assert (picture[:, 0] - wrong)[even].abs().min() > 0.04


def test_color_is_linear():
    scenes, views, size = s.stack(every_kind()), cameras(), 8
    colors, background = torch.rand(3, 3, generator=generator(9)), torch.tensor([0.2, 0.9, 0.4])
    layers = s.render_groups_reference(scenes, views, size, 3)
    picture = torch.einsum("vghw,gc->vchw", layers[:, :3], colors) + (1 - layers[:, 3:]) * background[:, None, None]
    origin, direction = (x.reshape(3, -1, 3) for x in views.rays(size * 3))
    t, hit = s.trace(scenes, origin, direction)
    points = origin + t[..., None] * direction
    light = s.AMBIENT - s.DIFFUSE * (s.normals(scenes, points) * direction).sum(-1, keepdim=True).clamp_max(0)
    lit = torch.where(hit[..., None], colors[scenes.nearest_group(points)] * light, background)
    fine = lit.reshape(3, size * 3, size * 3, 3).permute(0, 3, 1, 2)
    assert torch.allclose(torch.nn.functional.avg_pool2d(fine, 3), picture, atol=1e-5)


@pytest.mark.parametrize("render", [s.render_groups, s.render_groups_reference])
def test_mismatched_scenes_are_refused(render):
    with pytest.raises(ValueError, match="3 views need as many stacked scenes"):
        render(s.stack([sphere(0.5)] * 2), cameras(), 16, 1)
    with pytest.raises(ValueError, match=r"color groups must lie in 0\.\.0, got 1 to 1"):
        render(s.stack([sphere(0.5, group=1)] * 3), cameras(), 16, 1)
    with pytest.raises(ValueError, match=r"color groups must lie in 0\.\.1, got 0 to 2"):
        render(s.stack([worn(sphere(0.5), patterns.SPOTS)] * 3), cameras(), 16, 2)


@pytest.mark.gpu
def test_reference_on_an_accelerator():
    scenes, views = s.stack(every_kind()), cameras()
    on_device = s.render_groups(scenes.to("cuda"), views.to("cuda"), 32, 3).cpu()
    assert torch.allclose(on_device, s.render_groups_reference(scenes, views, 32, 3), atol=2e-2)
