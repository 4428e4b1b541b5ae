"""Banks of catalog pictures: geometry rendered once, colored anew every time it is shown.

A picture's color is linear in the colors of its groups (`nerf.solids.render_groups`), so a bank stores head-lit
coverage instead of colors: one rendered scene serves every coloring and every background.
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

from distill.catalog.captions import draw_kinds
from distill.catalog.objects import OBJECTS
from distill.catalog.truth import GROUPS, scene
from distill.files import write_atomically
from guidance.teacher import CameraLaw
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
NAMES = tuple(o.name for o in OBJECTS)
ALONE = -1


@dataclass(frozen=True)
class Bank:
    """weights (N, GROUPS + 1, S, S) uint8, kinds (N, 2) int64 (second: ALONE for none), cameras (N)."""

    weights: Tensor
    kinds: Tensor
    cameras: Cameras

    def __len__(self) -> int:
        return self.weights.shape[0]

    def things(self, index: int) -> tuple[str, ...]:
        return tuple(NAMES[k] for k in self.kinds[index].tolist() if k != ALONE)

    def pictures(self, index: Tensor, colors: Tensor, background: Tensor) -> Tensor:
        """Pictures (b, 3, S, S) in [0, 1] of rows `index` (b,) with colors (b, GROUPS, 3) over background (b, 3)."""
        layers = self.weights[index].float() / 255
        paint = torch.cat([colors, -background[:, None]], 1)
        return torch.einsum("bghw,bgc->bchw", layers, paint).add_(background[:, :, None, None]).clamp_(0, 1)


def render_shard(number: int, size: int) -> Bank:
    """Shard `number` of the bank of `size` px pictures: SHARD scenes with kinds, jitter and camera drawn by number."""
    return render_bank(SHARD, size, torch.Generator().manual_seed(number))


def render_bank(count: int, size: int, generator: torch.Generator) -> Bank:
    """`count` scenes in `size` px with kinds, jitter and camera drawn from `generator`."""
    rows = [draw_kinds(generator) for _ in range(count)]
    cameras = draw_cameras(LAW, count, generator, spread=False)
    chunks = []
    for start in range(0, count, RENDER_CHUNK):
        scenes = stack([scene(kinds, generator) for kinds in rows[start : start + RENDER_CHUNK]])
        layers = render_groups(scenes, cameras[slice(start, start + RENDER_CHUNK)], size, GROUPS)
        chunks.append((layers * 255).round().to(torch.uint8))
    kinds = [[NAMES.index(k[0]), NAMES.index(k[1]) if len(k) > 1 else ALONE] for k in rows]
    return Bank(torch.cat(chunks), torch.tensor(kinds), cameras)


def open_bank(folder: Path, size: int, shards: int) -> Bank:
    """The first `shards` shards, rendered where the folder lacks them. Shards of another catalog are not reused.

    ValueError, in one line, where a shard is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    banks = [_shard(folder / f"{_key(size)}-{number:04d}.safetensors", number, size) for number in range(shards)]
    azimuth, elevation = torch.cat([b["angles"] for b in banks]).unbind(1)
    fixed = [torch.full_like(azimuth, pair[0]) for pair in (LAW.distance, LAW.fov)]
    return Bank(
        torch.cat([b["weights"] for b in banks]),
        torch.cat([b["kinds"] for b in banks]),
        Cameras(azimuth, elevation, *fixed),
    )


def _key(size: int) -> str:
    """A name for the objects, the cameras and the sizes that a bank was rendered with."""
    shapes = [[o.name, o.support, repr(o.parts)] for o in OBJECTS]
    return hashlib.sha256(json.dumps([shapes, LAW.to_json(), SHARD, size]).encode()).hexdigest()[:12]


def _shard(path: Path, number: int, size: int) -> dict[str, Tensor]:
    if not path.exists():
        fresh = render_shard(number, size)
        angles = torch.stack([fresh.cameras.azimuth, fresh.cameras.elevation], 1)
        write_atomically(path, save({"weights": fresh.weights, "kinds": fresh.kinds, "angles": angles}))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged; delete it, and it is rendered anew") from error
