"""Compiled CPU twin of `HashField.query` without gradients: encode and network in one pass over blocks of points.

Dims: n points, B of a block, E entries, L levels.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerf.backends import network_numba as net
from nerf.backends.compiled import FUSED, PART, run
from nerf.backends.hashgrid_numba import BLOCK, FEATURES, gather, levels_of, locate, words
from nerf.backends.network_numba import HIDDEN, OUTPUTS, WIDTH

if TYPE_CHECKING:
    from nerf.field import HashField

f32 = np.float32
ZERO, ONE, HALF = f32(0), f32(1), f32(0.5)


class Weights(NamedTuple):
    """A field's parameters: table (E,) of words, the network's flat; of the blob strength, strength / radius, gain."""

    table: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    out_weight: np.ndarray
    out_bias: np.ndarray
    blob: float
    slope: float
    gain: float


def fits(field: "HashField") -> bool:
    """Whether the kernels were made for a field of this shape."""
    return field.grid.features == FEATURES and field.grid.width == WIDTH and len(field.hidden_bias) == HIDDEN


def weights_of(field: "HashField") -> Weights:
    """The parameters of `field` for the kernels, sharing memory."""
    hidden, hidden_bias, out, out_bias = (x.detach().reshape(-1).numpy() for x in field.network)
    blob = field.blob
    slope = blob.strength / blob.radius
    return Weights(words(field.table), hidden, hidden_bias, out, out_bias, blob.strength, slope, blob.gain)


class Scratch(NamedTuple):
    """Arrays of one block, see where they are used."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    blob: np.ndarray
    row: np.ndarray
    weight: np.ndarray
    features: np.ndarray
    hidden: np.ndarray
    out: np.ndarray


@FUSED
def scratch():
    return Scratch(
        np.zeros(BLOCK, f32),
        np.zeros(BLOCK, f32),
        np.zeros(BLOCK, f32),
        np.zeros(BLOCK, f32),
        np.empty(8 * BLOCK, np.uint32),
        np.empty(8 * BLOCK, f32),
        np.zeros(WIDTH * BLOCK, f32),
        np.empty(HIDDEN * BLOCK, f32),
        np.empty(OUTPUTS * BLOCK, f32),
    )


@PART
def _place_block(s, weights):
    """World positions in s.x, y, z to unit ones, and the blob's part of the density."""
    for i in range(BLOCK):
        x, y, z = s.x[i], s.y[i], s.z[i]
        s.blob[i] = f32(weights.blob) - f32(weights.slope) * f32(np.sqrt(x * x + y * y + z * z))
        s.x[i] = min(max(x * HALF + HALF, ZERO), ONE)
        s.y[i] = min(max(y * HALF + HALF, ZERO), ONE)
        s.z[i] = min(max(z * HALF + HALF, ZERO), ONE)


@PART
def hidden_block(s, weights, levels, active):
    """Features and hidden units of the block at s.x, y, z."""
    _place_block(s, weights)
    for level in range(active):
        locate(s.x, s.y, s.z, level, levels, s.row, s.weight)
        low = FEATURES * level * BLOCK
        gather(weights.table, s.row, s.weight, s.features[low : low + BLOCK], s.features[low + BLOCK : low + 2 * BLOCK])
    net.hidden_layer(s.features, weights.hidden_weight, weights.hidden_bias, s.hidden)


@PART
def evaluate(s, weights, levels, active, colored):
    """Densities, and albedos if `colored`, of the block at s.x, y, z, into s.out (OUTPUTS * B)."""
    hidden_block(s, weights, levels, active)
    net.density_layer(s.hidden, weights.out_weight, weights.out_bias, s.blob, f32(weights.gain), s.out)
    if colored:
        net.albedo_layer(s.hidden, weights.out_weight, weights.out_bias, s.out)


@FUSED
def _query(share, shares, points, weights, levels, active, rows, out):
    """Fill out (rows, n) at points (n, 3) with the first 1 or 4 rows of outputs; pieces are blocks."""
    s = scratch()
    for first in range(share * BLOCK, len(points), shares * BLOCK):
        count = min(BLOCK, len(points) - first)
        for i in range(count):
            s.x[i], s.y[i], s.z[i] = points[first + i, 0], points[first + i, 1], points[first + i, 2]
        evaluate(s, weights, levels, active, rows > 1)
        for o in range(rows):
            out[o, first : first + count] = s.out[o * BLOCK : o * BLOCK + count]


def query(field: "HashField", points: Tensor, rows: int) -> Tensor:
    """Density (n,) and, with `rows` = 4, albedo of points (n, 3): (rows, n)."""
    out = torch.empty(rows, len(points))
    grid = levels_of(field.grid)
    blocks = -(-len(points) // BLOCK)
    run(_query, blocks, points.contiguous().numpy(), weights_of(field), grid, field.active_levels, rows, out.numpy())
    return out
