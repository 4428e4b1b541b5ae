import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from distill.catalog import truth as t
from distill.catalog.captions import SUPPORTS, VOCABULARY, Layout
from distill.catalog.objects import COLORS, OBJECTS
from guidance.networks import feature_field
from guidance.networks.text import SlotText
from guidance.vocabulary import Caption, Pattern, Relation, Thing
from nerf import patterns
from nerf.solids import BOX, DOME, FRUSTUM, Solids, extent, normals, reach

NAMES = [o.name for o in OBJECTS]
PAIRS = [(a, b) for a, b in itertools.product(NAMES, SUPPORTS) if a != b][::3]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(*kinds: str, relation: Relation = "on", rng: torch.Generator | None = None) -> Solids:
    return t.scene(Layout(kinds, ("plain",) * len(kinds), relation if len(kinds) > 1 else None), rng)


DIRECTIONS = torch.nn.functional.normalize(torch.randn(20_000, 3, generator=generator(1)), dim=-1)


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
    return float((low + high).abs().max()), float((high - low).max()) / 2, float(reach(solids, DIRECTIONS).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_thing_is_centered_and_of_canonical_size(name):
    off, half, radius = spread(plain(name))
    assert off < 1e-5
    assert half <= t.HALF + 1e-5
    assert radius <= t.RADIUS + 1e-3
    assert half > t.HALF - 1e-5 or radius > t.RADIUS - 2e-3  # and no smaller than that


def test_pairs_are_stacked_and_of_canonical_size():
    for pair in PAIRS:
        whole = plain(*pair)
        off, half, radius = spread(whole)
        assert off < 1e-5
        assert half <= t.HALF + 1e-5
        assert radius <= t.RADIUS + 1e-3
        upper, lower = whole.only(whole.group < t.PAINTS), whole.only(whole.group >= t.PAINTS)
        assert float(extent(upper)[0][1] - extent(lower)[1][1]) == pytest.approx(0, abs=2e-6)  # touches, and no more
        points = torch.rand(2000, 3, generator=generator(2)) * 2 - 1
        assert not (upper.inside(points) & lower.inside(points)).any()
        assert set(upper.group.tolist()) == {p.slot for p in t.BY_NAME[pair[0]].parts}
        assert set(lower.group.tolist()) == {t.PAINTS + p.slot for p in t.BY_NAME[pair[1]].parts}


def test_what_stands_on_top_is_smaller():
    whole = plain("cube", "table")
    one, two = plain("cube"), plain("table")
    ratios = [float(whole.size[whole.kind == BOX][0, 0] / one.size[0, 0]), float(whole.size[1, 0] / two.size[0, 0])]
    assert ratios[0] / ratios[1] == pytest.approx(t.UPPER_SIZE / t.LOWER_SIZE)


def test_fronts_look_along_z():
    """Where an object has a front, the part that shows it sticks out toward +z, and up is up."""
    snowman = plain("snowman")
    assert snowman.center[snowman.group == 2, 2].min() > 0.15
    chair = plain("chair")
    back = chair.center[(chair.group == 0)][chair.center[chair.group == 0, 1].argmax()]
    assert back[2] < 0 < back[1]
    mushroom = plain("mushroom")
    assert mushroom.center[mushroom.kind == DOME][0, 1] > mushroom.center[mushroom.kind == FRUSTUM][0, 1]


def test_turned_parts_lie_as_their_table_says():
    """A wheel's axis is x, a snowman's carrot points to +z (its thin end is the top of the cone)."""
    car, snowman = plain("car"), plain("snowman")
    for wheel in car.rotation[car.kind == FRUSTUM]:
        assert torch.allclose((wheel @ torch.tensor([0.0, 1.0, 0.0])).abs(), torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    carrot = snowman.rotation[snowman.group == 2][0]
    assert torch.allclose(carrot @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert snowman.size[snowman.group == 2][0, 1] < snowman.size[snowman.group == 2][0, 0]


# Jitter


@pytest.mark.parametrize("name", ["car", "mug", "robot", "windmill", "crown"])
def test_jitter_is_small_and_has_mean_zero(name):
    mean, rng = plain(name), generator(3)
    drawn = [plain(name, rng=rng) for _ in range(300)]
    sizes = torch.stack([d.size / mean.size for d in drawn])[:, mean.size != 0]
    centers = torch.stack([d.center / mean.center for d in drawn])[:, mean.center.abs() > 1e-6]
    assert (sizes - 1).abs().max() <= 0.03 + 1e-6
    assert (sizes - 1).abs().max() > 0.025
    assert (centers - 1).abs().max() <= 0.02 + 1e-6
    assert (sizes.mean(0) - 1).abs().max() < math.hypot(0.02, 0.01) * 4.5 / math.sqrt(3 * 300)
    assert (centers.mean(0) - 1).abs().max() < 0.02 * 4.5 / math.sqrt(3 * 300)
    assert all(torch.equal(d.rotation, mean.rotation) and torch.equal(d.group, mean.group) for d in drawn)


def test_jitter_scales_heights_with_the_vertical(monkeypatch):
    """The frustums of a lamp stay on top of each other: their half heights follow the y axis, as their centers do."""
    monkeypatch.setattr(t, "JITTER_PART", 0.0)
    mean, drawn = plain("lamp"), plain("lamp", rng=generator())
    ratio = drawn.center[0, 1] / mean.center[0, 1]
    upright = mean.kind == FRUSTUM
    assert upright.sum() > 2
    heights = drawn.size[upright, 2] / mean.size[upright, 2]
    assert torch.allclose(heights, ratio.expand_as(heights))
    assert (drawn.size[upright, 0] / mean.size[upright, 0] - ratio).abs().min() > 1e-3


def test_jitter_comes_from_the_generator_alone():
    a, b, c = (plain("car", "table", rng=generator(seed)) for seed in (4, 4, 5))
    assert torch.equal(a.size, b.size)
    assert not torch.equal(a.size, c.size)


# Next to each other


def boxes(pair: tuple[str, str], rng: torch.Generator | None = None) -> tuple[Solids, list[tuple[Tensor, Tensor]]]:
    whole = plain(*pair, relation="next to", rng=rng)
    return whole, [extent(whole.only((whole.group >= t.PAINTS) == second)) for second in (False, True)]


def stand_apart(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> bool:
    """Whether the first box is left of the second by the gap, on the same ground and at the same depth."""
    (low, high), (other_low, other_high) = first, second
    gap = float(other_low[0] - high[0])
    depths = (low + high)[2], (other_low + other_high)[2]
    level = float((other_low - low)[1].abs())
    return abs(gap - t.GAP) < 0.002 and level < 2e-6 and max(abs(float(d)) for d in depths) < 2e-6


def test_things_next_to_each_other_stand_apart_on_one_ground():
    names = [NAMES[i] for i in torch.randperm(len(NAMES), generator=generator(8))[:5].tolist()]
    for pair in itertools.product(names, NAMES):
        whole, (first, second) = boxes(pair, None if pair[0] < pair[1] else generator(9))
        assert stand_apart(first, second)
        off, half, radius = spread(whole)
        assert off < 1e-5
        assert half <= t.HALF + 1e-5
        assert radius <= t.RADIUS + 1e-3
        assert half > t.HALF - 1e-5 or radius > t.RADIUS - 5e-3  # no larger pair fits


def test_wrong_places_are_told_apart():
    _, (first, second) = boxes(("mushroom", "car"))
    for shift in ((-t.GAP - 0.01, 0.0, 0.0), (0.0, 0.02, 0.0), (0.0, 0.0, 0.02)):  # overlap, float, stand behind
        assert not stand_apart(first, (second[0] + torch.tensor(shift), second[1] + torch.tensor(shift)))
    assert not stand_apart(second, first)
    whole, _ = boxes(("mushroom", "car"))
    points = torch.rand(200_000, 3, generator=generator(2)) * 2 - 1
    left, right = (whole.only((whole.group >= t.PAINTS) == second).inside(points) for second in (False, True))
    assert points[left, 0].max() < points[right, 0].min()


def test_things_next_to_each_other_are_of_one_size():
    whole = plain("cube", "sphere", relation="next to")
    scales = whole.size[:, 0] / torch.cat([plain("cube").size, plain("sphere").size])[:, 0]
    assert float(scales[0]) == pytest.approx(float(scales[1]))
    assert whole.group.tolist() == [0, t.PAINTS]


# Patterns


def carved(solids: Solids, points: Tensor) -> list[int]:
    """Groups at points inside the first part's thing, point by point in plain numbers."""
    found = []
    code, anchor = int(solids.pattern[0]), solids.anchor[0].tolist()
    for point in points.tolist():
        x, y, z = (p - a for p, a in zip(point, anchor, strict=True))
        if code == patterns.CHECKER:
            second = sum(round(v / patterns.CELL) for v in (x, y, z)) % 2 == 1
        elif code == patterns.SPOTS:
            nodes = itertools.product(range(-6, 7), repeat=3)
            balls = [n for n in nodes if n[0] % 2 == n[1] % 2 == n[2] % 2]
            half = patterns.LATTICE / 2
            second = any(math.dist((x, y, z), [half * k for k in n]) < patterns.DOT for n in balls)
        else:
            along = (x, y, z)[code - patterns.BANDS_X]
            second = round(along / patterns.BAND) % 2 == 1
        found.append(int(solids.second[0] if second else solids.group[0]))
    return found


def patterned(pattern: Pattern, *kinds: str, relation: Relation | None = None) -> Solids:
    return t.scene(Layout(kinds, (pattern,) * len(kinds), relation))


@pytest.mark.parametrize("pattern", ["striped", "checkered", "spotted"])
def test_patterns_point_by_point(pattern):
    points = torch.rand(150, 3, generator=generator(10)) * 1.2 - 0.6
    for solids in (patterned(pattern, "sphere"), patterned(pattern, "table")):
        main = solids.only(torch.arange(len(solids.kind)) == 0)
        found = main.nearest_group(points).tolist()
        assert found == carved(main, points)
        assert set(found) == {0, t.SLOTS}
        for wrong in ((0.05, 0.05, 0.05), (0.1, -0.03, 0.1)):  # another anchor, as a camera's would be
            assert found != carved(replace(main, anchor=main.anchor + torch.tensor(wrong)), points)


@pytest.mark.parametrize(("pattern", "share"), [("striped", 0.5), ("checkered", 0.5), ("spotted", 0.25)])
def test_how_much_of_a_pattern_has_the_second_color(pattern, share):
    groups = patterned(pattern, "sphere").nearest_group(torch.rand(200_000, 3, generator=generator(11)) * 1.6 - 0.8)
    assert float((groups == t.SLOTS).float().mean()) == pytest.approx(share, abs=0.04)


def test_patterns_are_of_the_main_parts_alone():
    solids = patterned("spotted", "mushroom", "table", relation="on")
    shown = solids.pattern != patterns.PLAIN
    assert torch.equal(shown, (solids.group == 0) | (solids.group == t.PAINTS))
    assert solids.second[shown].unique().tolist() == [t.SLOTS, t.PAINTS + t.SLOTS]
    assert torch.equal(solids.second[~shown], solids.group[~shown])
    one = t.scene(Layout(("mushroom", "table"), ("plain", "striped"), "on"))
    assert (one.pattern[one.group < t.PAINTS] == patterns.PLAIN).all()


def test_patterns_keep_their_scale_and_follow_their_thing():
    for relation in ("on", "next to"):
        whole = patterned("checkered", "sphere", "cube", relation=relation)
        assert torch.allclose(whole.anchor, whole.center, atol=1e-6)  # both things are their own centers
        offset = torch.rand(500, 3, generator=generator(12)) * 0.4 - 0.2
        alone = patterned("checkered", "cube").nearest_group(offset)
        there = whole.only(whole.group == t.PAINTS).nearest_group(offset + whole.center[1])
        assert (there - t.PAINTS == alone).float().mean() > 0.99  # all but points that rounding moves over an edge


def test_stripes_run_across_what_is_too_flat_for_bands():
    assert patterned("striped", "sphere").pattern.tolist() == [patterns.BANDS_Y]
    assert patterned("striped", "table").pattern[0] == patterns.BANDS_X
    table = plain("table")
    stripes = t.color_at(
        Caption((Thing("table", ("red", "red"), "striped", "blue"),)),
        torch.stack([torch.linspace(-0.7, 0.7, 99), table.center[0, 1].expand(99), torch.zeros(99)], 1),
    )
    assert 6 <= int((stripes[1:] != stripes[:-1]).any(1).sum()) <= 8
    drawn = [t.scene(Layout(("car",), ("striped",), None), generator(seed)).pattern for seed in range(20)]
    assert all(torch.equal(d, drawn[0]) for d in drawn)  # jitter does not turn them


# Colors


def test_colors_of_slots():
    things = VOCABULARY.parse("a red mushroom with a blue stem on a table").things
    expected = "red blue blue red brown brown brown brown".split()
    assert torch.equal(t.slot_colors(things), torch.tensor([COLORS[c] for c in expected]))
    assert torch.equal(t.slot_colors(things[:1])[: t.PAINTS], t.slot_colors(things)[: t.PAINTS])
    spotted = (replace(things[0], pattern="spotted", second="gold"), things[1])
    expected[t.SLOTS] = "gold"
    assert torch.equal(t.slot_colors(spotted), torch.tensor([COLORS[c] for c in expected]))


def test_the_embedded_teacher_groups_colors_as_the_truth_does():
    """As many groups, and every one that a scene shows has the color that the teacher's network is told for it."""
    assert (t.GROUPS, t.PAINTS) == (feature_field.GROUPS, feature_field.PAINTS)
    text, shown = SlotText(VOCABULARY, 8), set[int]()
    for prompt in (
        "a red and blue striped mushroom with a gold stem on a green and pink spotted table with black legs",
        "a checkered mug with a teal handle next to a blue car",
        "a white cube",
    ):
        caption = VOCABULARY.parse(prompt)
        told = (text.paints(text.caption_row(caption)[None])[0] + 1) / 2
        solids = t.truth(caption)
        groups = torch.cat([solids.group, solids.second]).unique()
        shown |= set(groups.tolist())
        assert torch.allclose(told[groups], t.slot_colors(caption.things)[groups], atol=1e-6)
    assert shown == set(range(t.GROUPS))


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
    cylinder = plain("cylinder")
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
