import itertools
import math

import pytest
import torch
from torch import Tensor

from distill.catalog import truth as t
from distill.catalog.captions import SUPPORTS, VOCABULARY
from distill.catalog.objects import COLORS, OBJECTS
from nerf.solids import BOX, DOME, FRUSTUM, Solids, extent, normals, reach

NAMES = [o.name for o in OBJECTS]
PAIRS = [(a, b) for a, b in itertools.product(NAMES, SUPPORTS) if a != b]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def directions(count: int = 20_000) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator(1)), dim=-1)


# The catalog itself


def test_the_catalog_holds_what_it_promises():
    assert len(OBJECTS) >= 16
    assert len(set(NAMES)) == len(NAMES)
    assert list(COLORS) == ("red orange yellow green teal blue purple pink brown black gray white gold silver".split())
    for entry in OBJECTS:
        slots = range(len(entry.slots))
        assert {p.slot for p in entry.parts} == set(slots)
        assert len(slots) <= t.SLOTS
        assert entry.natural in COLORS
        assert {s.default for s in entry.slots} <= {None, *COLORS}
        assert entry.slots[0].default is None


def test_colors_are_apart():
    table = torch.tensor(list(COLORS.values()))
    assert ((table >= 0) & (table <= 1)).all()
    assert (torch.cdist(table, table) + torch.eye(len(table))).min() > 0.2


# Layout


def spread(solids: Solids) -> tuple[float, float, float]:
    """How far off center, half extent, radius."""
    low, high = extent(solids)
    return float((low + high).abs().max()), float((high - low).max()) / 2, float(reach(solids, directions()).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_thing_is_centered_and_of_canonical_size(name):
    off, half, radius = spread(t.scene((name,)))
    assert off < 1e-5
    assert half <= t.HALF + 1e-5
    assert radius <= t.RADIUS + 1e-3
    assert half > t.HALF - 1e-5 or radius > t.RADIUS - 2e-3  # and no smaller than that


def test_every_pair_is_stacked_and_of_canonical_size():
    for pair in PAIRS:
        whole = t.scene(pair)
        off, half, radius = spread(whole)
        assert off < 1e-5
        assert half <= t.HALF + 1e-5
        assert radius <= t.RADIUS + 1e-3
        on_top = whole.group < t.SLOTS
        upper, lower = (Solids(*(getattr(whole, f)[mask] for f in vars(whole))) for mask in (on_top, ~on_top))
        assert float(extent(upper)[0][1] - extent(lower)[1][1]) == pytest.approx(0, abs=2e-6)  # touches, and no more
        points = torch.rand(2000, 3, generator=generator(2)) * 2 - 1
        assert not (upper.inside(points) & lower.inside(points)).any()
        assert set(upper.group.tolist()) == {p.slot for p in t.BY_NAME[pair[0]].parts}
        assert set(lower.group.tolist()) == {t.SLOTS + p.slot for p in t.BY_NAME[pair[1]].parts}


def test_what_stands_on_top_is_smaller():
    whole = t.scene(("cube", "table"))
    one, two = t.scene(("cube",)), t.scene(("table",))
    ratios = [float(whole.size[whole.kind == BOX][0, 0] / one.size[0, 0]), float(whole.size[1, 0] / two.size[0, 0])]
    assert ratios[0] / ratios[1] == pytest.approx(t.UPPER_SIZE / t.LOWER_SIZE)


def test_fronts_look_along_z():
    """Where an object has a front, the part that shows it sticks out toward +z, and up is up."""
    for name, slot in (("snowman", 2), ("house", 2), ("robot", 2)):
        solids = t.scene((name,))
        face = solids.center[solids.group == slot]
        assert face[:, 2].min() > 0.15
    chair = t.scene(("chair",))
    back = chair.center[(chair.group == 0)][chair.center[chair.group == 0, 1].argmax()]
    assert back[2] < 0 < back[1]
    mushroom = t.scene(("mushroom",))
    assert mushroom.center[mushroom.kind == DOME][0, 1] > mushroom.center[mushroom.kind == FRUSTUM][0, 1]


def test_turned_parts_lie_as_their_table_says():
    """A wheel's axis is x, a snowman's carrot points to +z (its thin end is the top of the cone)."""
    car, snowman = t.scene(("car",)), t.scene(("snowman",))
    for wheel in car.rotation[car.kind == FRUSTUM]:
        assert torch.allclose((wheel @ torch.tensor([0.0, 1.0, 0.0])).abs(), torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    carrot = snowman.rotation[snowman.group == 2][0]
    assert torch.allclose(carrot @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert snowman.size[snowman.group == 2][0, 1] < snowman.size[snowman.group == 2][0, 0]


# Jitter


@pytest.mark.parametrize("name", ["car", "mug", "robot"])
def test_jitter_is_small_and_has_mean_zero(name):
    mean, rng = t.scene((name,)), generator(3)
    drawn = [t.scene((name,), rng) for _ in range(300)]
    sizes = torch.stack([d.size / mean.size for d in drawn])[:, mean.size != 0]
    centers = torch.stack([d.center / mean.center for d in drawn])[:, mean.center.abs() > 1e-6]
    assert (sizes - 1).abs().max() <= 0.03 + 1e-6
    assert (sizes - 1).abs().max() > 0.025
    assert (centers - 1).abs().max() <= 0.02 + 1e-6
    assert (sizes.mean(0) - 1).abs().max() < math.hypot(0.02, 0.01) * 4.5 / math.sqrt(3 * 300)
    assert (centers.mean(0) - 1).abs().max() < 0.02 * 4.5 / math.sqrt(3 * 300)
    assert all(torch.equal(d.rotation, mean.rotation) and torch.equal(d.group, mean.group) for d in drawn)


def test_jitter_scales_heights_with_the_vertical(monkeypatch):
    """The frustums of a tree stay on top of each other: their half heights follow the y axis, as their centers do."""
    monkeypatch.setattr(t, "JITTER_PART", 0.0)
    mean, drawn = t.scene(("tree",)), t.scene(("tree",), generator())
    ratio = drawn.center[0, 1] / mean.center[0, 1]
    assert torch.allclose(drawn.size[:, 2] / mean.size[:, 2], ratio.expand(3))
    assert (drawn.size[:, 0] / mean.size[:, 0] - ratio).abs().min() > 1e-3


def test_jitter_comes_from_the_generator_alone():
    a, b, c = (t.scene(("car", "table"), generator(seed)) for seed in (4, 4, 5))
    assert torch.equal(a.size, b.size)
    assert not torch.equal(a.size, c.size)


# Colors


def test_colors_of_slots():
    things = VOCABULARY.parse("a red mushroom with a blue stem on a table").things
    assert torch.allclose(
        t.slot_colors(things), torch.tensor([COLORS[c] for c in ("red", "blue", "blue", "brown", "brown", "brown")])
    )
    assert torch.equal(t.slot_colors(things[:1])[:3], t.slot_colors(things)[:3])


def test_color_at_known_points():
    caption = VOCABULARY.parse("a red mushroom with a white stem on a green cube")
    solids = t.truth(caption)
    low, high = extent(solids)
    middle = solids.center
    points = torch.stack([high * torch.tensor([0.0, 1.0, 0.0]), middle[1], low * torch.tensor([0.0, 1.0, 0.0])])
    expected = torch.tensor([COLORS[c] for c in ("red", "white", "green")])
    assert torch.equal(t.color_at(caption, points), expected)


# Surface points


def test_surface_is_drawn_by_area():
    points, colors = t.surface(VOCABULARY.parse("a red cylinder"), 20_000, generator(6))
    cylinder = t.scene(("cylinder",))
    radius, half = float(cylinder.size[0, 0]), float(cylinder.size[0, 2])
    off = cylinder.distance(points).abs()
    assert off.max() < 3e-3  # at edges, where the normal turns
    assert off.mean() < 1e-5
    caps = (points[:, 1].abs() > half - 1e-3).float().mean()
    assert float(caps) == pytest.approx(radius / (radius + 2 * half), abs=0.015)
    assert points.mean(0).abs().max() < 0.02
    assert torch.equal(colors, torch.tensor(COLORS["red"]).expand(20_000, 3))


def test_where_parts_only_touch_there_is_no_surface():
    caption = VOCABULARY.parse("a red cylinder on a blue cube")
    points, colors = t.surface(caption, 10_000, generator(7))
    solids = t.truth(caption)
    cylinder, level = solids.group == 0, float(solids.center[1, 1] + solids.size[1, 1])
    across = points[:, [0, 2]].norm(dim=-1)
    hidden = ((points[:, 1] - level).abs() < 1e-3) & (across < float(solids.size[cylinder][0, 0]) - 0.02)
    assert not hidden.any()
    outward = solids.distance(points + 1e-2 * normals(solids, points))
    assert (outward > 0).float().mean() > 0.99
    assert torch.equal(colors, t.color_at(caption, points))
