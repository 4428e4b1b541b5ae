"""Compiled CPU twin of `nerf.encoding.encode` for two features a level: forward, gradients of table and points.

Points are taken in blocks. For a block and a level, one vectorized loop finds the eight table rows and weights of
every point, a second one gathers or scatters. A row is one 8-byte word (two float32), loaded, scaled and added whole.
Several blocks go through one level before the next, while its part of the table stays in the caches.
Gradients of the table are scattered one level a task and in the order of the points, so they are the same to the bit
in every run and for any number of threads.

`Levels` is the layout as arrays: (L,) scale, stride (the resolution where dense, 0 where hashed), offset, size.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from llvmlite import ir
from numba import types
from torch import Tensor

from nerf.backends.compiled import FUSED, INTRINSIC, PART, run
from nerf.encoding import PRIMES, HashGrid

BLOCK = 128
CHUNK = 16 * BLOCK
FEATURES = 2
f32, u32, u64, i32 = np.float32, np.uint32, np.uint64, np.int32
PRIME_Y, PRIME_Z = u32(PRIMES[1]), u32(PRIMES[2])
HALF, ONE = f32(0.5), f32(1)
PAIR = ir.VectorType(ir.FloatType(), 2)
LANE = ir.IntType(32)


class Levels(NamedTuple):
    scale: np.ndarray
    stride: np.ndarray
    offset: np.ndarray
    size: np.ndarray


@lru_cache(maxsize=16)
def levels_of(grid: HashGrid) -> Levels:
    """The layout of `grid` for the kernels."""
    layout = grid.layout
    return Levels(
        np.array([x.scale for x in layout], f32),
        np.array([x.resolution if x.dense else 0 for x in layout], np.uint32),
        np.array([x.offset for x in layout], np.uint32),
        np.array([x.size for x in layout], np.uint32),
    )


@INTRINSIC
def pair(typing: Any, low: Any, high: Any) -> tuple[Any, Callable[..., Any]]:
    """Two float32 as one 8-byte word; numba knows such a word as a float64."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        word = builder.insert_element(ir.Constant(PAIR, ir.Undefined), args[0], LANE(0))
        return builder.bitcast(builder.insert_element(word, args[1], LANE(1)), ir.DoubleType())

    return types.float64(types.float32, types.float32), build


@INTRINSIC
def low_of(typing: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    """The first float32 of a word."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return builder.extract_element(builder.bitcast(args[0], PAIR), LANE(0))

    return types.float32(types.float64), build


@INTRINSIC
def high_of(typing: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    """The second float32 of a word."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return builder.extract_element(builder.bitcast(args[0], PAIR), LANE(1))

    return types.float32(types.float64), build


@INTRINSIC
def add_scaled(typing: Any, total: Any, weight: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    """total + weight * word, on both float32 of the words."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total, word = (builder.bitcast(x, PAIR) for x in (args[0], args[2]))
        scale = builder.insert_element(ir.Constant(PAIR, ir.Undefined), args[1], LANE(0))
        scale = builder.insert_element(scale, args[1], LANE(1))
        scaled = builder.fmul(scale, word, flags=("contract",))
        return builder.bitcast(builder.fadd(total, scaled, flags=("contract",)), ir.DoubleType())

    return types.float64(types.float64, types.float32, types.float64), build


@PART
def _weights(x, y, z, scale, weight):
    """Trilinear weights (8 * BLOCK) of a block of points (BLOCK,) of the unit cube; corner bits are x, y, z."""
    for i in range(BLOCK):
        px, py, pz = x[i] * scale + HALF, y[i] * scale + HALF, z[i] * scale + HALF
        fx, fy, fz = px - f32(i32(px)), py - f32(i32(py)), pz - f32(i32(pz))
        gx, gy, gz = ONE - fx, ONE - fy, ONE - fz
        weight[i] = gx * gy * gz
        weight[BLOCK + i] = fx * gy * gz
        weight[2 * BLOCK + i] = gx * fy * gz
        weight[3 * BLOCK + i] = fx * fy * gz
        weight[4 * BLOCK + i] = gx * gy * fz
        weight[5 * BLOCK + i] = fx * gy * fz
        weight[6 * BLOCK + i] = gx * fy * fz
        weight[7 * BLOCK + i] = fx * fy * fz


@PART
def _rows_hashed(x, y, z, scale, offset, size, row):
    """Table rows (8 * BLOCK); a hashed level's size is a power of two."""
    mask = size - u32(1)
    for i in range(BLOCK):
        x0 = u32(i32(x[i] * scale + HALF))
        y0 = u32(i32(y[i] * scale + HALF)) * PRIME_Y
        z0 = u32(i32(z[i] * scale + HALF)) * PRIME_Z
        x1, y1, z1 = x0 + u32(1), y0 + PRIME_Y, z0 + PRIME_Z
        row[i] = offset + ((x0 ^ y0 ^ z0) & mask)
        row[BLOCK + i] = offset + ((x1 ^ y0 ^ z0) & mask)
        row[2 * BLOCK + i] = offset + ((x0 ^ y1 ^ z0) & mask)
        row[3 * BLOCK + i] = offset + ((x1 ^ y1 ^ z0) & mask)
        row[4 * BLOCK + i] = offset + ((x0 ^ y0 ^ z1) & mask)
        row[5 * BLOCK + i] = offset + ((x1 ^ y0 ^ z1) & mask)
        row[6 * BLOCK + i] = offset + ((x0 ^ y1 ^ z1) & mask)
        row[7 * BLOCK + i] = offset + ((x1 ^ y1 ^ z1) & mask)


@PART
def _wrap(index, size):
    """index modulo size for index < 2 size: the smaller of the unsigned index and index - size."""
    return min(u32(index), u32(index - size))


@PART
def _rows_dense(x, y, z, scale, offset, size, stride, row):
    """Table rows (8 * BLOCK) where every node has its own. Past the last node the index wraps, as in tinycudann."""
    plane = stride * stride
    for i in range(BLOCK):
        x0, y0, z0 = u32(i32(x[i] * scale + HALF)), u32(i32(y[i] * scale + HALF)), u32(i32(z[i] * scale + HALF))
        near = u32(x0 + y0 * stride + z0 * plane)
        far = u32(near + plane)
        row[i] = offset + _wrap(near, size)
        row[BLOCK + i] = offset + _wrap(near + u32(1), size)
        row[2 * BLOCK + i] = offset + _wrap(near + stride, size)
        row[3 * BLOCK + i] = offset + _wrap(near + stride + u32(1), size)
        row[4 * BLOCK + i] = offset + _wrap(far, size)
        row[5 * BLOCK + i] = offset + _wrap(far + u32(1), size)
        row[6 * BLOCK + i] = offset + _wrap(far + stride, size)
        row[7 * BLOCK + i] = offset + _wrap(far + stride + u32(1), size)


@FUSED
def locate(x, y, z, level, levels, row, weight):
    """Rows and weights (8 * BLOCK) of a block of points on one level."""
    scale, stride = levels.scale[level], levels.stride[level]
    _weights(x, y, z, scale, weight)
    if stride == 0:
        _rows_hashed(x, y, z, scale, levels.offset[level], levels.size[level], row)
    else:
        _rows_dense(x, y, z, scale, levels.offset[level], levels.size[level], stride, row)


@PART
def _collect(table, row, weight, i):
    """Both features of the block's point i on a level, as a word."""
    total = 0.0
    for corner in range(8):
        total = add_scaled(total, weight[corner * BLOCK + i], table[u64(row[corner * BLOCK + i])])
    return total


@PART
def _spread(table, row, weight, i, word):
    """The way back of `_collect`: add the gradient of point i's features, a word."""
    for corner in range(8):
        index = u64(row[corner * BLOCK + i])
        table[index] = add_scaled(table[index], weight[corner * BLOCK + i], word)


@FUSED
def gather(table, row, weight, low, high):
    """Both features (BLOCK,) of a level, given its rows and weights; `table` (E,) of words."""
    for i in range(BLOCK):
        word = _collect(table, row, weight, i)
        low[i], high[i] = low_of(word), high_of(word)


@FUSED
def scatter(table, row, weight, low, high, count):
    """Add gradients of the first `count` points' features to the rows of `table` (E,) of words."""
    for i in range(count):
        _spread(table, row, weight, i, pair(low[i], high[i]))


@FUSED
def _forward(share, shares, x, y, z, table, levels, active, out):
    """Fill out (n, L) of words for points x, y, z, padded to whole blocks; pieces are chunks."""
    row, weight = np.empty(8 * BLOCK, np.uint32), np.empty(8 * BLOCK, f32)
    for begin in range(share * CHUNK, len(out), shares * CHUNK):
        end = min(begin + CHUNK, len(out))
        out[begin:end, active:] = 0.0
        for level in range(active):
            for first in range(begin, end, BLOCK):
                block = slice(first, first + BLOCK)
                locate(x[block], y[block], z[block], level, levels, row, weight)
                for i in range(min(BLOCK, end - first)):
                    out[first + i, level] = _collect(table, row, weight, i)


@FUSED
def _backward_table(share, shares, x, y, z, grad, levels, active, out):
    """Fill out (E,) with the gradient of the table for grad (n, L) of words; pieces are levels."""
    row, weight = np.empty(8 * BLOCK, np.uint32), np.empty(8 * BLOCK, f32)
    for level in range(share, len(levels.size), shares):
        clear(out, level, levels)
        if level >= active:
            continue
        for first in range(0, len(grad), BLOCK):
            block = slice(first, first + BLOCK)
            locate(x[block], y[block], z[block], level, levels, row, weight)
            for i in range(min(BLOCK, len(grad) - first)):
                _spread(out, row, weight, i, grad[first + i, level])


@FUSED
def clear(table, level, levels):
    """Zero the entries of one level."""
    start = levels.offset[level]
    for index in range(start, start + levels.size[level]):
        table[index] = 0.0


@FUSED
def _backward_points(share, shares, x, y, z, table, grad, levels, active, out):
    """Fill out (n, 3) with the gradient of the points for grad (n, L) of words; pieces are blocks."""
    row, weight = np.empty(8 * BLOCK, np.uint32), np.empty(8 * BLOCK, f32)
    v = np.empty(8, f32)
    for first in range(share * BLOCK, len(out), shares * BLOCK):
        block = slice(first, first + BLOCK)
        xs, ys, zs = x[block], y[block], z[block]
        out[block] = 0
        for level in range(active):
            locate(xs, ys, zs, level, levels, row, weight)
            scale = levels.scale[level]
            for i in range(min(BLOCK, len(out) - first)):
                low, high = low_of(grad[first + i, level]), high_of(grad[first + i, level])
                for corner in range(8):
                    word = table[u64(row[corner * BLOCK + i])]
                    v[corner] = low_of(word) * low + high_of(word) * high
                px, py, pz = xs[i] * scale + HALF, ys[i] * scale + HALF, zs[i] * scale + HALF
                dx, dy, dz = _slopes(v, px - f32(i32(px)), py - f32(i32(py)), pz - f32(i32(pz)))
                out[first + i, 0] += scale * dx
                out[first + i, 1] += scale * dy
                out[first + i, 2] += scale * dz


@FUSED
def _slopes(v, x, y, z):
    """Gradient at (x, y, z) of the trilinear function with corner values v (8,)."""
    low, high = v[0] + (v[2] - v[0]) * y, v[1] + (v[3] - v[1]) * y
    low_far, high_far = v[4] + (v[6] - v[4]) * y, v[5] + (v[7] - v[5]) * y
    dx = (high - low) * (ONE - z) + (high_far - low_far) * z
    near = (v[2] - v[0]) * (ONE - x) + (v[3] - v[1]) * x
    dy = near * (ONE - z) + ((v[6] - v[4]) * (ONE - x) + (v[7] - v[5]) * x) * z
    dz = (low_far - low) * (ONE - x) + (high_far - high) * x
    return dx, dy, dz


def words(table: Tensor) -> np.ndarray:
    """A table (E, 2) as words (E,), sharing memory."""
    return pairs(table)[:, 0]


def pairs(rows: Tensor) -> np.ndarray:
    """Rows (n, 2 m) as words (n, m), sharing memory."""
    return rows.detach().numpy().view(np.float64)


def _columns(points: Tensor) -> np.ndarray:
    """Points (n, 3) as rows x, y, z, padded to whole blocks with the origin."""
    columns = points.new_zeros(3, -(-len(points) // BLOCK) * BLOCK)
    columns[:, : len(points)] = points.t()
    return columns.numpy()


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, grid: HashGrid, active: int) -> Tensor:
        ctx.save_for_backward(table)
        ctx.columns, ctx.grid, ctx.active = _columns(points), grid, active
        out = torch.empty(len(points), grid.width)
        run(_forward, -(-len(points) // CHUNK), *ctx.columns, words(table), levels_of(grid), active, pairs(out))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (table,) = ctx.saved_tensors
        given, levels = pairs(grad.contiguous()), levels_of(ctx.grid)
        by_points = by_table = None
        if ctx.needs_input_grad[0]:
            by_points = torch.empty(len(grad), 3)
            pieces, arguments = -(-len(grad) // BLOCK), (words(table), given, levels, ctx.active, by_points.numpy())
            run(_backward_points, pieces, *ctx.columns, *arguments)
        if ctx.needs_input_grad[1]:
            by_table = torch.from_numpy(np.empty(table.shape, f32))  # in huge pages, which torch does not ask for
            run(_backward_table, ctx.grid.levels, *ctx.columns, given, levels, ctx.active, words(by_table))
        return by_points, by_table, None, None


def encode(points: Tensor, table: Tensor, grid: HashGrid, active: int) -> Tensor:
    """`nerf.encoding.encode` for float32 on a CPU and two features a level."""
    return _Encode.apply(points, table.contiguous(), grid, active)
