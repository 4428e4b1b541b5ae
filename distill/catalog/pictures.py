"""Banks of catalog pictures: geometry rendered once, colored anew every time it is shown.

A picture's color is linear in the colors of its groups (`nerf.solids.render_groups`), so a bank stores head-lit
coverage instead of colors: one rendered scene serves every coloring and every background. Only the layers that a
picture has are kept, and shards are mapped into memory, so that a bank opens at once whatever its size.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from distill.catalog import truth
from distill.catalog.captions import NAMES, Layout, draw_layout
from distill.catalog.objects import OBJECTS
from distill.catalog.truth import GROUPS, scene
from distill.files import write_atomically
from guidance.teacher import CameraLaw
from guidance.vocabulary import PATTERNS, RELATIONS
from nerf import patterns, solids
from nerf.cameras import Cameras
from nerf.cameras import draw as draw_cameras
from nerf.solids import render_groups, stack

LAW = CameraLaw(
    azimuth=(-math.pi, math.pi),
    elevation=(math.radians(-15), math.radians(50)),
    distance=(3.2, 3.2),
    fov=(math.radians(40), math.radians(40)),
)
SHARD = 2048
RENDER_CHUNK = 64
FORMAT = 2  # of the shards; to be raised where scenes or pictures change and no value in `_key` does
ALONE = -1
PROBE = 256  # layouts that stand for the law they are drawn from


@dataclass(frozen=True)
class Bank:
    """N pictures of shards, each with layers (M, S, S) uint8: a picture's in the order of its groups, opacity last.

    drawn (N, 5) int64: numbers of both kinds and patterns (second: ALONE for none) and of the relation (or ALONE);
    shown (N, GROUPS + 1) bool: the layers that a picture has; shard, start (N,) int64: where they begin. cameras (N).
    """

    layers: tuple[Tensor, ...]
    shown: Tensor
    drawn: Tensor
    shard: Tensor
    start: Tensor
    cameras: Cameras

    def __len__(self) -> int:
        return self.drawn.shape[0]

    @property
    def side(self) -> int:
        return self.layers[0].shape[-1]

    def layout(self, index: int) -> Layout:
        first, second, pattern, other, relation = self.drawn[index].tolist()
        if second == ALONE:
            return Layout((NAMES[first],), (PATTERNS[pattern],), None)
        return Layout((NAMES[first], NAMES[second]), (PATTERNS[pattern], PATTERNS[other]), RELATIONS[relation])

    def weights(self, index: Tensor) -> Tensor:
        """Head-lit coverage and opacity of rows `index` (b,), (b, GROUPS + 1, S, S) uint8."""
        out = torch.zeros(len(index), GROUPS + 1, self.side, self.side, dtype=torch.uint8)
        for row, shard, start, shown in zip(
            out, self.shard[index].tolist(), self.start[index].tolist(), self.shown[index], strict=True
        ):
            row[shown] = self.layers[shard][start : start + int(shown.sum())]
        return out

    def pictures(self, index: Tensor, colors: Tensor, background: Tensor) -> Tensor:
        """Pictures (b, 3, S, S) in [0, 1] of rows `index` (b,) with colors (b, GROUPS, 3) over background (b, 3)."""
        layers = self.weights(index).float() / 255
        paint = torch.cat([colors, -background[:, None]], 1)
        return torch.einsum("bghw,bgc->bchw", layers, paint).add_(background[:, :, None, None]).clamp_(0, 1)


def bank_of(weights: list[Tensor], layouts: list[Layout], cameras: Cameras) -> Bank:
    """One shard of pictures with `weights`, chunks of (n, GROUPS + 1, S, S) uint8, without the layers that are zero."""
    shown = torch.cat([w.flatten(2).amax(-1) > 0 for w in weights])
    shown[:, GROUPS] = True
    kept = torch.cat([w[s] for w, s in zip(weights, shown.split([len(w) for w in weights]), strict=True)])
    drawn = torch.tensor([_numbers(layout) for layout in layouts])
    return _bank([{"layers": kept, "shown": shown, "drawn": drawn}], cameras)


def render_shard(number: int, size: int) -> Bank:
    """Shard `number` of the bank of `size` px pictures: SHARD scenes with layout, jitter and camera drawn by number."""
    return render_bank(SHARD, size, torch.Generator().manual_seed(number))


def render_bank(count: int, size: int, generator: torch.Generator) -> Bank:
    """`count` scenes in `size` px with layout, jitter and camera drawn from `generator`."""
    layouts = [draw_layout(generator) for _ in range(count)]
    cameras = draw_cameras(LAW, count, generator, spread=False)
    chunks = []
    for start in range(0, count, RENDER_CHUNK):
        scenes = stack([scene(layout, generator) for layout in layouts[start : start + RENDER_CHUNK]])
        layers = render_groups(scenes, cameras[slice(start, start + RENDER_CHUNK)], size, GROUPS)
        chunks.append(layers.mul_(255).round_().to(torch.uint8))
    return bank_of(chunks, layouts, cameras)


def open_bank(folder: Path, size: int, shards: int) -> Bank:
    """The first `shards` shards, rendered where the folder lacks them. Shards of another catalog are not reused.

    ValueError, in one line, where a shard is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(size)
    found = [_shard(folder / f"{key}-{number:04d}.safetensors", number, size) for number in range(shards)]
    azimuth, elevation = torch.cat([b["angles"] for b in found]).unbind(1)
    fixed = [torch.full_like(azimuth, pair[0]) for pair in (LAW.distance, LAW.fov)]
    return _bank(found, Cameras(azimuth, elevation, *fixed))


def _bank(shards: list[dict[str, Tensor]], cameras: Cameras) -> Bank:
    counts = [s["shown"].sum(1) for s in shards]
    return Bank(
        tuple(s["layers"] for s in shards),
        torch.cat([s["shown"] for s in shards]),
        torch.cat([s["drawn"] for s in shards]),
        torch.cat([torch.full_like(count, i) for i, count in enumerate(counts)]),
        torch.cat([count.cumsum(0) - count for count in counts]),
        cameras,
    )


def _numbers(layout: Layout) -> list[int]:
    kinds = [NAMES.index(kind) for kind in layout.kinds]
    drawn = [PATTERNS.index(pattern) for pattern in layout.patterns]
    if layout.relation is None:
        return [kinds[0], ALONE, drawn[0], ALONE, ALONE]
    return [*kinds, *drawn, RELATIONS.index(layout.relation)]


def _key(size: int) -> str:
    """A name for all that a bank was rendered with: objects, layouts, sizes, patterns, light, cameras."""
    generator = torch.Generator().manual_seed(0)
    layouts = [_numbers(draw_layout(generator)) for _ in range(PROBE)]
    shapes = [[o.name, o.support, repr(o.parts)] for o in OBJECTS]
    fitted = [truth.HALF, truth.RADIUS, truth.GAP, truth.UPPER_SIZE, truth.LOWER_SIZE, truth.SLOTS]
    jitter = [truth.JITTER_OBJECT, truth.JITTER_PART]
    drawn = [patterns.BAND, patterns.CELL, patterns.LATTICE, patterns.DOT, solids.AMBIENT, solids.DIFFUSE]
    everything = [FORMAT, shapes, layouts, fitted, jitter, drawn, LAW.to_json(), SHARD, size]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:12]


def _shard(path: Path, number: int, size: int) -> dict[str, Tensor]:
    if not path.exists():
        fresh = render_shard(number, size)
        angles = torch.stack([fresh.cameras.azimuth, fresh.cameras.elevation], 1)
        held = {"layers": fresh.layers[0], "shown": fresh.shown, "drawn": fresh.drawn, "angles": angles}
        write_atomically(path, save(held))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged; delete it, and it is rendered anew") from error
