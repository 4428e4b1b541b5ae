"""What the catalog promises of its shapes, each measured on volumes or pictures and not read off the tables."""

import math
from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest
import torch
from skimage.measure import label
from torch import Tensor

from distill.catalog import truth as t
from distill.catalog.captions import Layout
from distill.catalog.objects import OBJECTS
from distill.catalog.pictures import LAW
from nerf.cameras import Cameras
from nerf.solids import BOX, ELLIPSOID, TORUS, Solids, extent, join, reach, render_groups, stack

NAMES = [o.name for o in OBJECTS]
CELLS = 64
AXIS = ((torch.arange(CELLS) + 0.5) / CELLS * 2 - 1) * t.HALF  # every object lies within
THIN, THINNEST = 0.12, 0.065


def part(solids: Solids, index: int) -> Solids:
    return solids.only(torch.arange(len(solids.kind)) == index)


def volume(solids: Solids) -> Tensor:
    """(CELLS, CELLS, CELLS) bool. Each part is asked within its own box only: ten times faster than all of them."""
    out = torch.zeros(CELLS, CELLS, CELLS, dtype=torch.bool)
    for index in range(len(solids.kind)):
        one = part(solids, index)
        low, high = extent(one)
        spans = [torch.where((low[k] <= AXIS) & (high[k] >= AXIS))[0] for k in range(3)]
        if all(map(len, spans)):
            box = tuple(slice(int(s[0]), int(s[-1]) + 1) for s in spans)
            points = torch.stack(torch.meshgrid(*(AXIS[b] for b in box), indexing="ij"), -1)
            out[box] |= one.inside(points.reshape(-1, 3)).reshape(points.shape[:3])
    return out


def shape(name: str) -> Solids:
    return t.scene(Layout((name,), ("plain",)))


@lru_cache
def volume_of(name: str) -> Tensor:
    return volume(shape(name))


def overlaps(volumes: list[Tensor]) -> Tensor:
    """IoU of all pairs, (n, n), by one matrix product."""
    rows = torch.stack(volumes).flatten(1).float()
    both, size = rows @ rows.T, rows.sum(1)
    return both / (size[:, None] + size - both)


def box(size: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solids:
    """A box alone, in canonical units."""
    return solid(BOX, size, center)


def solid(kind: int, size: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solids:
    one = torch.tensor([[size], [center]])
    return Solids.plain(torch.tensor([kind]), one[0], one[1], torch.eye(3)[None], torch.tensor([0]))


# The measures themselves


def test_volumes_by_parts_are_volumes_of_the_union():
    grid = torch.stack(torch.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), -1).reshape(-1, 3)
    for name in ("anchor", "castle", "pizza"):
        assert torch.equal(volume_of(name).flatten(), shape(name).inside(grid))


def test_overlaps_of_boxes():
    found = overlaps(
        [volume(box((0.4, 0.4, 0.4))), volume(box((0.4, 0.4, 0.4), (0.4, 0, 0))), volume(box((0.4, 0.2, 0.4)))]
    )
    assert found.diagonal().tolist() == [1, 1, 1]
    assert float(found[0, 1]) == pytest.approx(1 / 3, abs=0.01)
    assert float(found[0, 2]) == pytest.approx(1 / 2, abs=0.01)


# Shapes


def test_no_two_things_are_alike():
    found = overlaps([volume_of(name) for name in NAMES])
    alike = {f"{NAMES[i]} {NAMES[j]}": float(found[i, j]) for i, j in combinations(range(len(NAMES)), 2)}
    assert {pair: iou for pair, iou in alike.items() if iou >= 0.6} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_thing_is_one_piece(name):
    assert pieces(volume_of(name)) == 1


def pieces(cells: Tensor) -> int:
    """Pieces that hang together by faces."""
    return int(np.asarray(label(cells.numpy(), connectivity=1)).max())


def test_two_boxes_apart_are_two_pieces():
    near, far = box((0.2, 0.2, 0.2), (-0.3, 0, 0)), box((0.2, 0.2, 0.2), (0.3, 0, 0))
    assert pieces(volume(join(near, far))) == 2
    assert pieces(volume(join(near, box((0.2, 0.2, 0.2))))) == 1


def turned(solids: Solids, degrees: float) -> Solids:
    """Turned about y."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return replace(solids, center=solids.center @ turn.T, rotation=turn @ solids.rotation)


def symmetry(solids: Solids, enough: float = 1.0) -> float:
    """Highest IoU of a shape with itself turned about y; it is looked for until one is as high as `enough`."""
    whole, best = volume(solids), 0.0
    for angle in (180, 90, 120, 72, 60, 45, 144, 30):
        best = max(best, float(overlaps([whole, volume(turned(solids, angle))])[0, 1]))
        if best >= enough:
            break
    return best


def test_symmetry_of_shapes_that_have_it_and_of_one_that_has_not():
    assert symmetry(box((0.5, 0.3, 0.5))) > 0.99  # by 90 degrees
    assert symmetry(box((0.5, 0.3, 0.1))) > 0.99  # by 180
    assert symmetry(shape("mushroom")) > 0.99
    assert symmetry(join(box((0.5, 0.1, 0.1)), box((0.1, 0.1, 0.3), (0.4, 0, 0.3)))) < 0.6


def test_many_things_look_different_from_every_side():
    without = [name for name in NAMES if symmetry(shape(name), 0.9) < 0.9]
    assert len(without) >= 16


def width(one: Solids) -> float:
    """Least distance of two parallel planes that hold a part, over its own axes and many directions."""
    directions = torch.cat([one.rotation[0].T, t._sphere()])
    return float((reach(one, directions) + reach(one, -directions)).amin())


def thin_parts(solids: Solids) -> list[float]:
    """Widths below THIN of the parts that stand free: more than half of such a part lies in no other part."""
    found: list[float] = []
    for index in range(len(solids.kind)):
        one = part(solids, index)
        if (wide := width(one)) < THIN:
            others = solids.only(torch.arange(len(solids.kind)) != index)
            low, high = extent(one)
            points = low + (high - low) * torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
            points = points[one.inside(points)]
            if not bool(others.inside(points).float().mean() > 0.5):
                found.append(wide)
    return found


def test_widths_of_parts():
    assert width(box((0.5, 0.03, 0.4))) == pytest.approx(0.06, abs=1e-6)
    assert width(solid(TORUS, (0.4, 0.05, 1))) == pytest.approx(0.1, abs=1e-6)
    assert width(solid(ELLIPSOID, (0.4, 0.2, 0.3))) == pytest.approx(0.4, abs=1e-6)
    plate, table = box((0.5, 0.03, 0.4)), box((0.6, 0.4, 0.5))
    assert thin_parts(join(plate, table)) == []
    assert thin_parts(join(plate.moved(1.0, torch.tensor([0, 0.43, 0])), table)) == pytest.approx([0.06])


def test_many_things_have_thin_parts_and_none_is_a_sheet():
    thin = {name: found for name in NAMES if (found := thin_parts(shape(name)))}
    assert len(thin) >= 12
    assert {name: min(found) for name, found in thin.items() if min(found) < THINNEST} == {}


# Colors


def seen(name: str) -> Tensor:
    """Share of the picture that each slot takes at its best, over cameras of the training law, (slots,)."""
    around = torch.arange(12) * (2 * math.pi / 12)
    low, high = LAW.elevation
    azimuth = torch.cat([around, around, around])
    elevation = torch.cat([torch.full((12,), e) for e in (low, (low + high) / 2, high)])
    rest = (torch.full((36,), pair[0]) for pair in (LAW.distance, LAW.fov))
    pictures = render_groups(stack([shape(name)] * 36), Cameras(azimuth, elevation, *rest), 48, t.GROUPS, samples=2)
    return (pictures[:, :-1] > 0).float().mean((2, 3)).amax(0)


@pytest.mark.parametrize("name", NAMES)
def test_every_slot_is_seen_by_a_camera(name):
    slots = len(t.BY_NAME[name].slots)
    share = seen(name)
    assert (share[:slots] > 6 / 48**2).all()  # six pixels of a small picture
    assert (share[slots:] == 0).all()
