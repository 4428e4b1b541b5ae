"""From a field to a textured mesh in one call: level, surface, cleaning, atlas, texture, and a check by pictures."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nerf.cameras import Cameras
from nerf.isosurface import PointFunction, fill_hidden, level_from_columns, level_from_views, sample, surface
from nerf.mesh_atlas import unwrap
from nerf.mesh_clean import drop_floaters, is_closed, smooth, vertex_normals
from nerf.mesh_decimate import decimate
from nerf.mesh_render import render
from nerf.mesh_texture import absorption_depth, bake
from nerf.mesh_textured import TexturedMesh

Progress = Callable[[str, float], None]

STAGES = {"density": 0.1, "level": 0.1, "surface": 0.05, "clean": 0.15, "unwrap": 0.25, "texture": 0.25, "check": 0.1}


@dataclass(frozen=True)
class FieldViews:
    """Pictures of a field by volume rendering: opacity (V, 1, H, H) and, to compare colors, rgb (V, 3, H, H) over
    `background`, shaded by the head-light if `lit`. What none of the `eyes` (K, 3) can see is filled."""

    cameras: Cameras
    opacity: Tensor
    rgb: Tensor | None = None
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lit: bool = True
    eyes: Tensor | None = None


@dataclass
class Report:
    """What `extract` did. `level_iou` compares the level's silhouettes with the pictures, `psnr` (dB) the finished
    mesh's pictures with the field's; `seconds` is by stage."""

    level: float = 0.0
    level_iou: float = 0.0
    components_removed: int = 0
    faces_found: int = 0
    faces: int = 0
    closed: bool = False
    charts: int = 0
    atlas: str = ""
    psnr: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def extract(
    density: PointFunction,
    albedo: PointFunction,
    *,
    views: FieldViews | None = None,
    resolution: int = 128,
    faces: int = 20_000,
    texture: int = 1024,
    floater_share: float = 0.01,
    smoothing: int = 5,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> tuple[TexturedMesh, Report]:
    """A closed textured mesh of a field, and a report.

    `density` maps points (n, 3) on `device` in [-1, 1]^3 to (n,), per unit length; `albedo` to (n, 3), sRGB in [0, 1].
    `views` lets the field's own pictures choose the surface level; without them the sampled density does. `faces` is
    the most faces to keep, `texture` the pixels of the square texture, `floater_share` see `drop_floaters`,
    `smoothing` the rounds of `smooth`. `progress` gets a stage's name and the share of the whole work done when the
    stage begins. Raises ValueError for an empty field and for one that holds NaN.
    """
    if faces < 4 or texture < 16:
        raise ValueError(f"a mesh needs at least 4 faces and a texture of 16 pixels, got {faces} and {texture}")
    report = Report()
    with _stage("density", report, progress):
        grid = sample(density, resolution, device=device)
    with _stage("level", report, progress):
        level = level_from_views(grid, views.cameras, views.opacity) if views else level_from_columns(grid)
        report.level, report.level_iou = level.value, level.iou
    with _stage("surface", report, progress):
        if views is not None and views.eyes is not None:
            grid = fill_hidden(grid, level.value, views.eyes)
        points, triangles = surface(grid, level.value, density, device=device)
        report.faces_found = len(triangles)
    with _stage("clean", report, progress):
        points, triangles, report.components_removed = drop_floaters(points, triangles, floater_share)
        points, triangles = decimate(smooth(points, triangles, smoothing), triangles, faces)
        normals = vertex_normals(points, triangles)
        report.faces, report.closed = len(triangles), is_closed(triangles)
    with _stage("unwrap", report, progress):
        atlas = unwrap(points, triangles, texture)
        report.charts, report.atlas = atlas.charts, atlas.method
    with _stage("texture", report, progress):
        depth = absorption_depth(density, points, normals, 2 / (resolution - 1), device)
        absorbing = (points - depth[:, None] * normals).astype(np.float32)
        picture = bake(albedo, absorbing, triangles, atlas, texture, device=device)
    mesh = TexturedMesh(points, triangles, normals, atlas.uv, atlas.faces, picture)
    with _stage("check", report, progress):
        if views is not None and views.rgb is not None:
            report.psnr = compare(mesh, views)
    return mesh, report


def compare(mesh: TexturedMesh, views: FieldViews) -> float:
    """PSNR in dB, over all pixels of all views, between ray-cast pictures of `mesh` and the field's rgb."""
    if views.rgb is None:
        raise ValueError("comparing a mesh with a field needs the field's rgb pictures")
    size = views.rgb.shape[-1]
    found = render(mesh, views.cameras, size, supersample=3, background=views.background, lit=views.lit).rgb
    error = (found - views.rgb.detach().float().cpu()).square().mean()
    return float(-10 * torch.log10(error.clamp(min=1e-10)))


@contextmanager
def _stage(name: str, report: Report, progress: Progress | None) -> Iterator[None]:
    if progress is not None:
        names = list(STAGES)
        progress(name, sum(STAGES[n] for n in names[: names.index(name)]))
    start = time.perf_counter()
    yield
    report.seconds[name] = round(time.perf_counter() - start, 3)
