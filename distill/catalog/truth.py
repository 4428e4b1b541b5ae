"""Ground truth of a caption: exact solids in one canonical layout, their inside test and their colors.

Every thing is centered by its bounding box and scaled so that its half extent is at most HALF and nothing of it lies
farther than RADIUS from the origin (within 1e-3: directions are sampled). A pair is stacked, the first thing's lowest
point on the level of the second's highest, or stands on one ground, the first thing to the left of the second as seen
from the front; then it is fitted the same way. Jitter changes sizes and places by at most 3 %; the mean proportions are
the truth. Patterns are carved out of the main parts, around the center of their thing, and are not scaled with it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

import torch
from torch import Tensor

from distill.catalog.captions import Layout
from distill.catalog.objects import COLORS, OBJECTS, CatalogObject, Part
from guidance.vocabulary import Caption, Relation, Thing
from nerf.patterns import BAND, BANDS_X, BANDS_Y, CHECKER, SPOTS
from nerf.solids import CAPSULE, FRUSTUM, TORUS, Solids, extent, join, normals, reach

HALF = 0.8
RADIUS = 0.95
SLOTS = 3  # parts with a color of their own that a thing may have
PAINTS = SLOTS + 1  # color groups of a thing: those, and the second color of its pattern
GROUPS = 2 * PAINTS
CELLS, SHELL, OUTWARD = 48, 0.01, 2e-3  # of `surface`: cells that find the shell, its half thickness, a step outward
JITTER_OBJECT, JITTER_PART = 0.02, 0.01
UPPER_SIZE, LOWER_SIZE = 0.85, 1.0  # the thing on top is a little smaller than the thing it stands on
GAP = 0.08  # between the bounding boxes of things that stand next to each other

BY_NAME = {o.name: o for o in OBJECTS}
# Which local axis each entry of a part's size goes along; a radius across y goes along x. Others: x, y, z.
AXES = {FRUSTUM: (0, 0, 1), TORUS: (0, 0, 2), CAPSULE: (0, 1, 2)}


def _turn(part: Part) -> Tensor:
    if part.turn is None:
        return torch.eye(3)
    axis, degrees = part.turn
    angle = torch.deg2rad(torch.tensor(degrees))
    c, s = float(angle.cos()), float(angle.sin())
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    out = torch.eye(3)
    out[j, j], out[j, k], out[k, j], out[k, k] = c, -s, s, c
    return out


@lru_cache
def _mean_solids(name: str) -> Solids:
    entry: CatalogObject = BY_NAME[name]
    raw = Solids.plain(
        torch.tensor([p.kind for p in entry.parts]),
        torch.tensor([p.size for p in entry.parts], dtype=torch.float32),
        torch.tensor([p.center for p in entry.parts], dtype=torch.float32),
        torch.stack([_turn(p) for p in entry.parts]),
        torch.tensor([p.slot for p in entry.parts]),
    )
    return fitted(raw)


def fitted(solids: Solids) -> Solids:
    """Centered by the bounding box and scaled into the canonical size."""
    scale, center = _fit(reach(solids, _directions()))
    return solids.moved(1.0, -center).moved(scale, torch.zeros(3))


def _fit(reached: Tensor) -> tuple[float, Tensor]:
    """Scale and center of the bounding box, from how far a shape reaches along `_directions`."""
    high, low = reached[:3], -reached[3:6]
    center = (low + high) / 2
    farthest = reached - _directions() @ center
    return min(HALF / float((high - low).amax() / 2), RADIUS / float(farthest.amax())), center


@lru_cache
def _directions() -> Tensor:
    """The axes, their opposites, then evenly spread unit directions."""
    return torch.cat([torch.eye(3), -torch.eye(3), _sphere()])


def _sphere(count: int = 4000) -> Tensor:
    """Evenly spread unit directions (count, 3), a Fibonacci lattice."""
    k = torch.arange(count) + 0.5
    y = 1 - 2 * k / count
    angle = k * math.pi * (1 + math.sqrt(5))
    across = (1 - y * y).sqrt()
    return torch.stack([across * angle.cos(), y, across * angle.sin()], -1)


def _jittered(solids: Solids, generator: torch.Generator) -> Solids:
    def around_one(share: float, *shape: int) -> Tensor:
        return 1 + share * (2 * torch.rand(*shape, generator=generator) - 1)

    axes = around_one(JITTER_OBJECT, 3)
    local = (solids.rotation.square() * axes[None, :, None]).sum(1)  # first order in the jitter; rotations are right
    along = torch.tensor([AXES.get(kind, (0, 1, 2)) for kind in solids.kind.tolist()])
    size = solids.size * (local.gather(1, along) + around_one(JITTER_PART, *solids.size.shape) - 1)
    return replace(solids, size=size, center=solids.center * axes)


def scene(layout: Layout, generator: torch.Generator | None = None) -> Solids:
    """Solids of a layout; group = PAINTS * thing + slot, and its last one where a pattern has the second color.

    Without a generator the mean proportions, which are the truth; with one, a jittered instance.
    """
    solids = _arranged(layout.kinds, layout.relation, generator)
    pattern, second = solids.pattern.clone(), solids.group.clone()
    for thing, (name, bands) in enumerate(zip(layout.patterns, _bands(layout.kinds, layout.relation), strict=True)):
        if name != "plain":
            main = solids.group == PAINTS * thing
            pattern[main] = {"striped": bands, "checkered": CHECKER, "spotted": SPOTS}[name]
            second[main] = PAINTS * thing + SLOTS
    return replace(solids, pattern=pattern, second=second)


def _arranged(kinds: Sequence[str], relation: Relation | None, generator: torch.Generator | None = None) -> Solids:
    """Plain things in their places."""
    things = [_mean_solids(kind) for kind in kinds]
    if generator is not None:
        things = [_jittered(t, generator) for t in things]
    if len(things) == 1:
        return things[0]
    first, second = things
    second = replace(second, group=second.group + PAINTS, second=second.second + PAINTS)
    return _beside(first, second) if relation == "next to" else _stacked(first, second)


def _stacked(upper: Solids, lower: Solids) -> Solids:
    sizes = torch.tensor([UPPER_SIZE, LOWER_SIZE])
    reached = torch.stack([reach(thing, _directions()) for thing in (upper, lower)])
    lift = LOWER_SIZE * reached[1, 1] + UPPER_SIZE * reached[0, 4]  # the one's highest, the other's lowest point
    return _placed((upper, lower), reached, sizes, torch.stack([lift * torch.eye(3)[1], torch.zeros(3)]))


def _beside(left: Solids, right: Solids) -> Solids:
    """On one ground level, their boxes' centers at z = 0, GAP apart once they are fitted."""
    reached = torch.stack([reach(thing, _directions()) for thing in (left, right)])
    high, low = reached[:, :3], -reached[:, 3:6]
    inner = torch.stack([high[0, 0], low[1, 0]])
    feet = torch.stack([inner, low[:, 1], (low[:, 2] + high[:, 2]) / 2], 1)
    scale, shifts = 0.5, -feet
    for _ in range(3):  # the scale depends on the gap and the gap on the scale, weakly
        shifts = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]) * GAP / 2 / scale - feet
        scale, _ = _fit((reached + shifts @ _directions().T).amax(0))
    return _placed((left, right), reached, torch.ones(2), shifts)


def _placed(things: tuple[Solids, ...], reached: Tensor, sizes: Tensor, shifts: Tensor) -> Solids:
    """Things that reach as far as `reached` (T, A) along `_directions`, scaled by (T,), shifted by (T, 3), then fitted
    as one."""
    scale, center = _fit((sizes[:, None] * reached + shifts @ _directions().T).amax(0))
    moved = zip(things, (sizes * scale).tolist(), (shifts - center) * scale, strict=True)
    return join(*(thing.moved(size, shift) for thing, size, shift in moved))


@cache
def _bands(kinds: tuple[str, ...], relation: Relation | None) -> tuple[int, ...]:
    """The pattern codes of stripes: horizontal bands, or across the longer side of what is too flat to show two."""
    solids = _arranged(kinds, relation)
    codes = []
    for thing in range(len(kinds)):
        low, high = extent(solids.only(solids.group == PAINTS * thing))
        width = (high - low).tolist()
        flat = width[1] < 2 * BAND
        codes.append(BANDS_Y if not flat else BANDS_X + 2 * (width[2] > width[0]))
    return tuple(codes)


def truth(caption: Caption) -> Solids:
    """The exact solids of a caption."""
    return scene(layout_of(caption))


def layout_of(caption: Caption) -> Layout:
    """All of a caption that its shape and its color groups depend on."""
    return Layout(tuple(t.kind for t in caption.things), tuple(t.pattern for t in caption.things), caption.relation)


def slot_colors(things: tuple[Thing, ...]) -> Tensor:
    """sRGB of every color group, (GROUPS, 3) in [0, 1]; groups that nothing shows repeat a color that is shown."""
    rows: list[tuple[float, float, float]] = []
    for thing in things:
        colors = [COLORS[c] for c in thing.colors]
        rows += [*(colors + [colors[-1]] * SLOTS)[:SLOTS], COLORS[thing.second or thing.colors[0]]]
    return torch.tensor((rows + [rows[-1]] * GROUPS)[:GROUPS], dtype=torch.float32)


def color_at(caption: Caption, points: Tensor) -> Tensor:
    """True albedo (N, 3) at surface points (N, 3)."""
    return slot_colors(caption.things)[truth(caption).nearest_group(points)]


def surface(caption: Caption, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` points drawn uniformly by area from the true surface, and their albedo: (count, 3) each.

    Points of a thin shell around the surface, which has the same thickness everywhere, are moved onto it. Where two
    parts only touch there is a shell and no surface: a step outward would not leave the union.
    """
    solids = truth(caption)
    cell = 2 / CELLS
    centers = (torch.arange(CELLS) + 0.5) * cell - 1
    grid = torch.cartesian_prod(centers, centers, centers)
    near = torch.cat([g[solids.distance(g).abs() < cell * 0.87 + SHELL] for g in grid.split(1 << 15)])
    found: list[Tensor] = []
    while sum(map(len, found)) < count:
        pick = torch.randint(len(near), (4 * count,), generator=generator)
        points = near[pick] + (torch.rand(4 * count, 3, generator=generator) - 0.5) * cell
        points = points[solids.distance(points).abs() < SHELL]
        for _ in range(2):
            points = points - solids.distance(points)[:, None] * normals(solids, points)
        outward = solids.distance(points + OUTWARD * normals(solids, points))
        found.append(points[outward > OUTWARD / 2])
    points = torch.cat(found)[:count]
    return points, slot_colors(caption.things)[solids.nearest_group(points)]
