"""tinycudann's hash grid on CUDA (Mueller 2021), where it is installed and agrees with ours.

Geometry and order of the entries are the same, so our table is its parameter vector: it is handed over on every call
and gets the gradient. tinycudann computes in half precision. Its import raises without CUDA, hence never at the top.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.func import functional_call

from nerf import encoding
from nerf.encoding import HashGrid

TOLERANCE = 2e-2  # half precision, for features of order 1


@lru_cache(maxsize=16)
def _module(grid: HashGrid) -> torch.nn.Module:
    import tinycudann

    settings = {
        "otype": "HashGrid",
        "n_levels": grid.levels,
        "n_features_per_level": grid.features,
        "log2_hashmap_size": grid.log2_size,
        "base_resolution": grid.base,
        "per_level_scale": grid.growth,
    }
    return tinycudann.Encoding(3, settings)  # pyright: ignore[reportAttributeAccessIssue] (means this file)


def encode(points: Tensor, table: Tensor, grid: HashGrid, active: int) -> Tensor:
    """`nerf.encoding.encode`."""
    features = functional_call(_module(grid), {"params": table.flatten()}, (points,)).to(table.dtype)
    return features * (torch.arange(grid.width, device=points.device) < active * grid.features)


@lru_cache(maxsize=16)
def works(grid: HashGrid) -> bool:
    """Whether tinycudann is here and encodes a few points as the reference does."""
    if not torch.cuda.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(256, 3, generator=generator).to("cuda")
    table = (grid.table(generator) * 1e4).to("cuda")
    try:
        found = encode(points, table, grid, grid.levels)
    except Exception:  # whatever goes wrong in a foreign build, the reference serves
        return False
    return torch.allclose(found, encoding.encode(points, table, grid, grid.levels), atol=TOLERANCE)
