"""What is measured about results: geometry and color of a mesh against ground truth, and pictures against pictures.

Nothing here aligns, scales or searches a threshold: a mesh is measured as it is. Ground truth is two callables:
`inside(points (n, 3)) -> (n,) bool`, and `surface(count, generator) -> (points (count, 3), colors (count, 3))`, drawn
uniformly by area.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import stdtrit
from torch import Tensor

from nerf.mesh_raster import rasterize
from nerf.mesh_textured import TexturedMesh

Inside = Callable[[Tensor], Tensor]
Surface = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]

TOLERANCE = 0.04
SAMPLES = 20_000


@dataclass(frozen=True)
class MeshScore:
    """A mesh against the truth: `iou` of the volumes, `chamfer_l1` in world units, `fscore` at TOLERANCE, and
    `color_error`, the mean absolute difference of sRGB channels in [0, 1]."""

    iou: float
    chamfer_l1: float
    fscore: float
    color_error: float


def score_mesh(mesh: TexturedMesh, inside: Inside, surface: Surface, generator: torch.Generator) -> MeshScore:
    """All measures of `mesh`, with SAMPLES surface points on either side."""
    face, barycentric = sample_faces(mesh.vertices, mesh.faces, SAMPLES, generator)
    found = np.einsum("nk,nkd->nd", barycentric, mesh.vertices[mesh.faces[face]])
    true, colors = (x.cpu().numpy() for x in surface(SAMPLES, generator))
    to_true, to_found, nearest = nearest_distances(found, true)
    return MeshScore(
        iou=iou(mesh.vertices, mesh.faces, inside),
        chamfer_l1=chamfer_l1(to_true, to_found),
        fscore=fscore(to_true, to_found),
        color_error=float(np.abs(mesh.color(face, barycentric)[nearest] - colors).mean()),
    )


def iou(vertices: NDArray[np.floating], faces: NDArray[np.integer], inside: Inside, resolution: int = 128) -> float:
    """Intersection over union of a closed mesh and the truth, at the centers of resolution^3 cells of [-1, 1]^3."""
    found = torch.from_numpy(solid_cells(vertices, faces, resolution))
    centers = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    slabs = centers.split(max(1, (1 << 18) // resolution**2))
    true = torch.cat([inside(torch.cartesian_prod(xs, centers, centers)).cpu() for xs in slabs]).reshape(found.shape)
    union = int((found | true).sum())
    return int((found & true).sum()) / union if union else 1.0


def solid_cells(vertices: NDArray[np.floating], faces: NDArray[np.integer], resolution: int) -> NDArray[np.bool_]:
    """Which cell centers of [-1, 1]^3 a mesh encloses: (resolution,) * 3, indexed [x, y, z].

    Counts, along columns in z, how often the surface is entered and left. A point whose count is not zero is inside,
    so parts that overlap or are wound inside out count as solid. A hole affects only the columns through it.
    """
    # a shift smaller than any detail keeps columns off edges and vertices, which meshes from grids put on a lattice
    shift = np.array([1.234567e-5, 2.345678e-5])
    corners = (vertices[faces].astype(np.float64) + 1) / 2 * resolution - 0.5
    cover = rasterize(corners[:, :, :2] + shift, resolution, resolution)
    height = np.einsum("nk,nk->n", cover.barycentric, corners[cover.triangle, :, 2])
    a, b, c = corners[:, :, :2].transpose(1, 0, 2)
    turn = np.sign((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])[cover.triangle]
    first = np.ceil(height).clip(0, resolution).astype(np.int64)  # the first center above the crossing
    at = (cover.column * resolution + cover.row) * (resolution + 1) + first
    change = np.bincount(at, weights=-turn, minlength=resolution**2 * (resolution + 1))
    winding = change.reshape(resolution, resolution, resolution + 1).cumsum(-1)[..., :resolution]
    return np.abs(winding) > 0.5


def sample_faces(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], count: int, generator: torch.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`count` points uniform over the surface: their faces (count,) and barycentric coordinates (count, 3)."""
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    draws = torch.rand(count, 3, generator=generator, dtype=torch.float64).numpy()
    ends = np.cumsum(areas)
    face = np.searchsorted(ends, draws[:, 0] * ends[-1], side="right").clip(max=len(faces) - 1)
    root = np.sqrt(draws[:, 1])
    return face, np.stack([1 - root, root * (1 - draws[:, 2]), root * draws[:, 2]], -1)


def nearest_distances(
    found: NDArray[np.floating], true: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Distances from each found point (n, 3) to the true points, from each true point (m, 3) to the found ones, and
    which found point is nearest to each true one: (n,), (m,), (m,)."""
    to_true, _ = KDTree(true).query(found)
    to_found, nearest = KDTree(found).query(true)
    return np.asarray(to_true), np.asarray(to_found), np.asarray(nearest)


def chamfer_l1(to_true: NDArray[np.floating], to_found: NDArray[np.floating]) -> float:
    """The mean of accuracy and completeness, in world units (Mescheder 2019, arXiv 1812.03828, section 4)."""
    return float(to_true.mean() + to_found.mean()) / 2


def fscore(to_true: NDArray[np.floating], to_found: NDArray[np.floating], tolerance: float = TOLERANCE) -> float:
    """Harmonic mean of precision and recall at `tolerance` (Tatarchenko 2019, arXiv 1905.03678)."""
    precision, recall = float((to_true < tolerance).mean()), float((to_found < tolerance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def psnr(found: Tensor, true: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures of equal shape in [0, 1]; infinite where they are equal.

    Summed by numpy: torch's sum depends, in its last digits, on the number of threads.
    """
    error = float(np.square((found.double() - true.double()).cpu().numpy()).mean())
    return -10 * math.log10(error) if error else math.inf


@dataclass(frozen=True)
class Interval:
    """The mean of `count` values, and its confidence interval; `low` and `high` are None for a single value."""

    mean: float
    low: float | None
    high: float | None
    count: int


def interval(
    values: Sequence[float], confidence: float = 0.95, within: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Mean and two-sided Student interval of independent values (Student 1908), cut where their true mean cannot be:
    outside `within`. ValueError where there are none."""
    if not values:
        raise ValueError("a mean needs at least one value")
    data = np.asarray(values, dtype=np.float64)
    mean, count = float(data.mean()), len(data)
    if count == 1:
        return Interval(mean, None, None, 1)
    half = float(stdtrit(count - 1, (1 + confidence) / 2) * data.std(ddof=1) / math.sqrt(count))
    return Interval(mean, max(mean - half, within[0]), min(mean + half, within[1]), count)
