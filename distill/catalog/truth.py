"""Ground truth of a caption: exact solids in one canonical layout, their inside test and their colors.

Every thing is centered by its bounding box and scaled so that its half extent is at most HALF and nothing of it lies
farther than RADIUS from the origin (within 1e-3: directions are sampled); a pair is stacked, the first thing's lowest
point on the level of the second's highest, then fitted the same way. Jitter changes sizes and places by at most 3 %;
the mean proportions are the truth.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from distill.catalog.objects import COLORS, OBJECTS, CatalogObject, Part
from guidance.vocabulary import Caption, Thing
from nerf.solids import CAPSULE, FRUSTUM, TORUS, Solids, extent, join, normals, reach

HALF = 0.8
RADIUS = 0.95
SLOTS = 3  # color groups a thing may have
GROUPS = 2 * SLOTS
CELLS, SHELL, OUTWARD = 48, 0.01, 2e-3  # of `surface`: cells that find the shell, its half thickness, a step outward
JITTER_OBJECT, JITTER_PART = 0.02, 0.01
UPPER_SIZE, LOWER_SIZE = 0.85, 1.0  # the thing on top is a little smaller than the thing it stands on

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
    raw = Solids(
        torch.tensor([p.kind for p in entry.parts]),
        torch.tensor([p.size for p in entry.parts], dtype=torch.float32),
        torch.tensor([p.center for p in entry.parts], dtype=torch.float32),
        torch.stack([_turn(p) for p in entry.parts]),
        torch.tensor([p.slot for p in entry.parts]),
    )
    return fitted(raw)


def fitted(solids: Solids) -> Solids:
    """Centered by the bounding box and scaled into the canonical size."""
    low, high = extent(solids)
    centered = solids.moved(1.0, -(low + high) / 2)
    scale = min(HALF / float((high - low).amax() / 2), RADIUS / float(reach(centered, _sphere()).amax()))
    return centered.moved(scale, torch.zeros(3))


def _sphere(count: int = 2000) -> Tensor:
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
    local = (solids.rotation.abs() * axes[None, :, None]).sum(1)  # the scale of each local axis, rotations are right
    along = torch.tensor([AXES.get(kind, (0, 1, 2)) for kind in solids.kind.tolist()])
    size = solids.size * (local.gather(1, along) + around_one(JITTER_PART, *solids.size.shape) - 1)
    return Solids(solids.kind, size, solids.center * axes, solids.rotation, solids.group)


def scene(things: tuple[str, ...], generator: torch.Generator | None = None) -> Solids:
    """Solids of one kind, or of the first kind standing on the second; group = 3 * thing + slot.

    Without a generator the mean proportions, which are the truth; with one, a jittered instance.
    """
    parts = [_mean_solids(kind) for kind in things]
    if generator is not None:
        parts = [_jittered(p, generator) for p in parts]
    if len(parts) == 1:
        return parts[0]
    upper, lower = parts[0].moved(UPPER_SIZE, torch.zeros(3)), parts[1].moved(LOWER_SIZE, torch.zeros(3))
    lift = float(extent(lower)[1][1] - extent(upper)[0][1])
    upper = upper.moved(1.0, torch.tensor([0.0, lift, 0.0]))
    lower = Solids(lower.kind, lower.size, lower.center, lower.rotation, lower.group + SLOTS)
    return fitted(join(upper, lower))


def truth(caption: Caption) -> Solids:
    """The exact solids of a caption."""
    return scene(tuple(t.kind for t in caption.things))


def slot_colors(things: tuple[Thing, ...]) -> Tensor:
    """sRGB of every color group, (GROUPS, 3) in [0, 1]; groups a thing does not have repeat its last color."""
    rows: list[tuple[float, float, float]] = []
    for thing in things:
        colors = [COLORS[c] for c in thing.colors]
        rows += (colors + [colors[-1]] * SLOTS)[:SLOTS]
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
