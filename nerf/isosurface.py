"""From a density field to a closed surface, at a density level that the field's own pictures choose.

The level is the one whose silhouettes agree best with what a volume renderer shows: along every ray the densest point
of the sampled grid decides whether the ray meets the solid {density > level}, and opacity above one half decides
whether it should. On a soft boundary that puts the surface where a grazing ray turns half opaque. There is no
threshold to tune, and because the level stays below the densest point of some opaque ray the solid is never empty.

Grids are (n, n, n) float32, indexed [x, y, z], with nodes on the faces of the box [-1, 1]^3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor
from torch.nn.functional import grid_sample

from nerf.cameras import Cameras

Array = NDArray[np.float32]
PointFunction = Callable[[Tensor], Tensor]

EMPTY_OPACITY = 0.02  # below this no pixel differs visibly from the background
MOST_RAYS = 32768


@dataclass(frozen=True)
class Level:
    """A density (per unit length), and the intersection over union of its silhouettes with the opaque pixels."""

    value: float
    iou: float


@torch.no_grad()
def evaluate(function: PointFunction, points: NDArray, device: torch.device | str, chunk: int = 1 << 18) -> Array:
    """`function` at `points` (n, 3), `chunk` points at a time: (n, ...) float32 on the host."""
    parts = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32)).split(chunk)
    return torch.cat([function(part.to(device)).detach().float().cpu() for part in parts]).numpy()


def sample(density: PointFunction, resolution: int = 128, *, device: torch.device | str = "cpu") -> Array:
    """`density` at the nodes of a grid, (resolution,) * 3, negative values and those on the box's faces set to 0.

    Raises ValueError for densities that are not finite.
    """
    if resolution < 8:
        raise ValueError(f"a mesh needs a grid resolution of at least 8, got {resolution}; 128 is usual")
    axis = torch.linspace(-1, 1, resolution)
    planes = max(1, (1 << 18) // resolution**2)
    slabs = []
    for xs in axis.split(planes):
        points = torch.stack(torch.meshgrid(xs, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        slabs.append(evaluate(density, points.numpy(), device).reshape(len(xs), resolution, resolution))
    grid = np.concatenate(slabs)
    if not np.isfinite(grid).all():
        raise ValueError("the density field holds NaN or infinity: resume from an earlier checkpoint")
    closed = np.zeros_like(grid)
    inner = (slice(1, -1),) * 3
    closed[inner] = np.maximum(grid[inner], 0)
    return closed


def ray_maxima(grid: Array, origins: Tensor, directions: Tensor) -> Tensor:
    """The largest density along each ray inside the box, between nodes interpolated in its logarithm, as suits the
    exponential tails of soft boundaries; 0 for rays that miss the box. (n,)."""
    floor = np.float32(max(1e-5 * grid.max(), 1e-12))
    volume = torch.from_numpy(np.log(np.maximum(grid, floor)))[None, None]
    steps = int(1.25 * grid.shape[0])  # at most 1.4 cells apart, on the box's diagonal
    fractions = (torch.arange(steps) + 0.5) / steps
    found = []
    for o, d in zip(origins.split(4096), directions.split(4096), strict=True):
        bounds = torch.stack([(-1 - o) / d, (1 - o) / d])  # divisions by zero give the infinities that are right here
        near = bounds.nan_to_num(nan=-torch.inf).amin(0).amax(-1).clamp(min=0)
        far = bounds.nan_to_num(nan=torch.inf).amax(0).amin(-1)
        hit = far > near
        near, far, o, d = near[hit], far[hit], o[hit], d[hit]
        t = near[:, None] + (far - near)[:, None] * fractions
        points = o[:, None] + t[..., None] * d[:, None]
        values = grid_sample(volume, points.flip(-1)[None, None], align_corners=True, padding_mode="border")
        maxima = torch.zeros(len(hit))
        maxima[hit] = values[0, 0, 0].amax(-1).exp()
        found.append(maxima)
    return torch.cat(found)


def match_silhouette(maxima: Tensor, opacity: Tensor) -> Level:
    """The level for which (maxima > level) agrees best, by IoU, with the opaque rays; exact over all candidates.

    `maxima` and `opacity` are (n,), one entry a ray. A ray is opaque above half of the largest opacity, so that faint
    fields give a mesh too; that is one half wherever anything is solid. ValueError where there is nothing to see.
    """
    strongest = float(opacity.max())
    if not strongest > EMPTY_OPACITY or not float(maxima.max()) > 0:
        raise ValueError(
            f"the field is empty (largest opacity {strongest:.3f}), so there is no surface to extract: "
            "train longer, or use another seed"
        )
    opaque = opacity > strongest / 2
    order = maxima.argsort(descending=True, stable=True)
    sorted_maxima = torch.cat([maxima[order].double(), torch.zeros(1, dtype=torch.float64)])
    overlap = opaque[order].double().cumsum(0)
    count = torch.arange(1, len(order) + 1, dtype=torch.float64)
    iou = overlap / (count + overlap[-1] - overlap)
    iou[sorted_maxima[:-1] <= sorted_maxima[1:]] = -1  # rays of equal maximum cannot be told apart by a level
    best = int(iou.argmax())
    return Level(float(sorted_maxima[best : best + 2].mean()), float(iou[best]))


def level_from_views(grid: Array, cameras: Cameras, opacity: Tensor) -> Level:
    """The level that best explains rendered opacity pictures (V, 1, H, H) of `cameras`."""
    views, _, size, width = opacity.shape
    if views != len(cameras) or size != width:
        raise ValueError(f"{len(cameras)} cameras do not fit square opacity pictures of shape {tuple(opacity.shape)}")
    origins, directions = cameras.to("cpu").rays(size)
    stride = -(-views * size * size // MOST_RAYS)
    pick = torch.arange(0, views * size * size, stride)
    rays = [r.reshape(-1, 3).float()[pick] for r in (origins, directions)]
    return match_silhouette(ray_maxima(grid, *rays), opacity.detach().float().cpu().reshape(-1)[pick])


def level_from_columns(grid: Array) -> Level:
    """The level without any pictures: the same rule on the grid's own columns along x, y and z."""
    spacing = 2 / (grid.shape[0] - 1)
    maxima = torch.cat([torch.from_numpy(grid.max(axis)).reshape(-1) for axis in range(3)])
    depths = torch.cat([torch.from_numpy(grid.sum(axis)).reshape(-1) for axis in range(3)])
    return match_silhouette(maxima, -torch.expm1(-depths * spacing))


def fill_hidden(grid: Array, level: float, eyes: Tensor) -> Array:
    """`grid` with twice the level at empty nodes, in the box around the solid ones, that no point of `eyes` (K, 3) can
    see: they count as solid.

    Score distillation shapes what its cameras see; behind that, pits and bubbles are left to chance. A node is seen
    from an eye when no solid node lies on the straight way, nodes apart along its longest axis.
    """
    from nerf.backends.visible_numba import hidden

    solid = grid > level
    if not solid.any():
        return grid
    ends = [np.flatnonzero(solid.any(tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    box = tuple(slice(low, high + 1) for low, high in ends)
    empty = np.zeros_like(solid)
    empty[box] = ~solid[box]
    cells = np.flatnonzero(empty)
    places = (eyes.detach().cpu().numpy() + 1) * ((grid.shape[0] - 1) / 2)
    filled = grid.copy()
    filled.reshape(-1)[cells[hidden(solid, cells, places)]] = 2 * level
    return filled


def surface(
    grid: Array, level: float, density: PointFunction | None = None, *, device: torch.device | str = "cpu"
) -> tuple[Array, NDArray[np.int32]]:
    """The closed surface of {density > level}, wound counterclockwise from outside: vertices (p, 3), faces (m, 3).

    Grids of `sample` are empty at the border, so what reaches it is closed there. With `density` the vertices, which
    interpolation of a steep density would pull toward the nodes, are moved along their grid edges onto the field's
    own level set.
    """
    excess = grid - np.float32(level)
    excess[excess == 0] = np.finfo(np.float32).tiny  # a node exactly on the level makes faces without area
    if not (excess > 0).any():
        raise ValueError(f"no density above the level {level:g}: choose a lower level")
    nodes, faces, _, _ = marching_cubes(excess, 0.0)
    faces = np.ascontiguousarray(faces[:, ::-1], dtype=np.int32)  # skimage winds solids inside out
    if density is not None:
        nodes = _on_level_set(nodes, excess, level, density, device)
    return (nodes * (2 / (grid.shape[0] - 1)) - 1).astype(np.float32), faces


def _on_level_set(
    nodes: Array, excess: Array, level: float, density: PointFunction, device: torch.device | str
) -> Array:
    """`nodes` (p, 3), in cells, bisected along their grid edges to where `density` crosses `level`."""
    scale = 2 / (excess.shape[0] - 1)

    def above(points: NDArray) -> Array:
        world = points * scale - 1
        return np.where((np.abs(world) < 1).all(1), evaluate(density, world, device), 0) - np.float32(level)

    low, high = np.floor(nodes), np.ceil(nodes)
    on_edge = (low != high).sum(1) == 1  # the few vertices inside a cell stay
    on_edge[on_edge] = (above(low[on_edge]) > 0) != (above(high[on_edge]) > 0)  # not the walls of what was filled
    low, high = low[on_edge], high[on_edge]
    low_value, high_value = (excess[tuple(end.astype(int).T)] for end in (low, high))
    for _ in range(4):
        middle = (low + high) / 2
        value = above(middle)
        same = (value > 0) == (low_value > 0)
        low, low_value = np.where(same[:, None], middle, low), np.where(same, value, low_value)
        high, high_value = np.where(same[:, None], high, middle), np.where(same, high_value, value)
    span = low_value - high_value
    fraction = np.where(span == 0, 0.5, low_value / np.where(span == 0, 1, span))
    nodes = nodes.copy()
    nodes[on_edge] = low + fraction[:, None] * (high - low)
    return nodes
