"""Assets against the exact shapes that their prompts name: scores, their means over prompts, and sheets to look at.

Everything is taken from the mesh as it was written: nothing is aligned or scaled, no threshold is searched.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distill.catalog.oracle import OracleRows
from distill.catalog.pictures import LAW
from distill.catalog.truth import surface, truth
from distill.metrics import Interval, interval, psnr, score_mesh
from guidance.vocabulary import Caption
from nerf.cameras import Cameras, orbit
from nerf.mesh_render import render
from nerf.mesh_textured import TexturedMesh
from nerf.pictures import Row

DISTANCE, FOV = LAW.distance[0], LAW.fov[0]
FOUR = orbit(4, elevation=math.radians(20), distance=DISTANCE, fov=FOV)
PIXELS, SUPERSAMPLE = 128, 3
MEASURES = {
    "iou": "intersection over union of the volumes at the centers of 128^3 cells",
    "chamfer_l1": "mean of accuracy and completeness over 20,000 surface points a side, in units of a box of side 2",
    "fscore": "harmonic mean of precision and recall at 0.04",
    "color": "mean absolute sRGB error per channel at 20,000 surface points",
    "psnr": "dB over 16 views of 128 px of the head-lit albedo on white, against the same pictures of the truth",
}
# Where the true mean of a measure must lie; PSNR may be anything.
WITHIN = {"iou": (0.0, 1.0), "chamfer_l1": (0.0, math.inf), "fscore": (0.0, 1.0), "color": (0.0, 1.0)}
COUNTED_AS_ZERO = ("iou", "fscore")  # where an asset could not be made; the other measures have no worst value


@dataclass(frozen=True)
class AssetScore:
    """The MEASURES of one asset."""

    iou: float
    chamfer_l1: float
    fscore: float
    color: float
    psnr: float


@dataclass(frozen=True)
class Result:
    """What became of a prompt and a seed: a score, or why there is none."""

    prompt: str
    seed: int
    score: AssetScore | None
    error: str | None = None

    def __post_init__(self) -> None:
        if (self.score is None) == (self.error is None):
            raise ValueError(f"{self.prompt!r} has either a score or an error, got {self.score} and {self.error!r}")


def sixteen_views() -> Cameras:
    """Two rings of eight cameras, at 5 and 35 degrees, the upper one turned by half a step."""
    low, high = (orbit(8, elevation=math.radians(e), distance=DISTANCE, fov=FOV) for e in (5, 35))
    azimuth = torch.cat([low.azimuth, high.azimuth + math.pi / 8])
    rest = (torch.cat([getattr(low, n), getattr(high, n)]) for n in ("elevation", "distance", "fov"))
    return Cameras(azimuth, *rest)


def score_asset(mesh: TexturedMesh, caption: Caption) -> AssetScore:
    """All MEASURES of `mesh` against the truth of `caption`; the same at every call."""
    generator = torch.Generator().manual_seed(0)
    shape = score_mesh(mesh, truth(caption).inside, lambda n, g: surface(caption, n, g), generator)
    views = sixteen_views()
    found = render(mesh, views, PIXELS, supersample=SUPERSAMPLE).rgb
    seen = psnr(found, true_pictures(caption, views, PIXELS))
    return AssetScore(shape.iou, shape.chamfer_l1, shape.fscore, shape.color_error, seen)


def true_pictures(caption: Caption, views: Cameras, size: int) -> Tensor:
    """Head-lit pictures (V, 3, size, size) of the exact shape on white: what the oracle knows, without jitter."""
    rows = OracleRows((caption,), size, jitters=1).at(views)
    assert rows.foreground is not None
    assert rows.opacity is not None
    paint, opacity = (rows.foreground + rows.opacity)[:, 0] / 2, rows.opacity[:, 0]
    return (paint + 1 - opacity).clamp(0, 1)


def means(results: Sequence[Result]) -> dict[str, Interval]:
    """Mean and 95 % interval of every measure. The unit is the prompt: seeds of one prompt are averaged first.

    What could not be made counts as 0 in COUNTED_AS_ZERO, and nowhere else; a measure that no prompt has is left out.
    """
    by_prompt: dict[str, list[Result]] = {}
    for result in results:
        by_prompt.setdefault(result.prompt, []).append(result)
    found: dict[str, Interval] = {}
    for name in MEASURES:
        values = [_measured(rows, name) for rows in by_prompt.values()]
        known = [v for v in values if v is not None]
        if known:
            found[name] = interval(known, within=WITHIN.get(name, (-math.inf, math.inf)))
    return found


def _measured(rows: Sequence[Result], name: str) -> float | None:
    """The mean of one prompt's seeds; None where there is nothing to average."""
    worst = 0.0 if name in COUNTED_AS_ZERO else None
    values = [worst if r.score is None else float(getattr(r.score, name)) for r in rows]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def sheet_row(label: str, result: Result, mesh: TexturedMesh | None, caption: Caption, *, size: int = 160) -> Row:
    """The asset in four views, then the truth in the same, captioned with its figures or with why there is none."""
    true = list(true_pictures(caption, FOUR, size))
    score = result.score
    if score is None or mesh is None:
        reason = f"failed: {result.error}" if result.error else "no mesh"
        blank = [torch.full_like(p, 0.93) for p in true]
        return Row(label, blank + true, [reason, "", "", "", "ground truth", "", "", ""])
    figures = [f"IoU {score.iou:.2f}  F {score.fscore:.2f}", f"Chamfer {score.chamfer_l1:.3f}"]
    figures += [f"color {score.color:.3f}", f"PSNR {score.psnr:.1f} dB"]
    shots = list(render(mesh, FOUR, size, supersample=SUPERSAMPLE).rgb)
    return Row(label, shots + true, [*figures, "ground truth", "", "", ""])
