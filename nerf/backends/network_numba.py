"""Compiled blocks of `HashField`'s small network: WIDTH features -> HIDDEN rectified units -> density and albedo.

Arrays are flat and feature-major, (rows * BLOCK,): with sizes known at compile time LLVM unrolls the sum over inputs
and vectorizes over the points of a block, which is about eight times faster than two-dimensional arrays.
Exponentials are polynomials for the same reason; relative error 2e-7.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nerf.backends.compiled import FUSED, INTRINSIC, SUMMED_PART
from nerf.backends.hashgrid_numba import BLOCK

WIDTH, HIDDEN, OUTPUTS = 16, 32, 4
f32, i32 = np.float32, np.int32
ZERO, ONE = f32(0), f32(1)
LOG2_E, LN2_HIGH, LN2_LOW = f32(1.4426950408889634), f32(0.693359375), f32(-2.12194440e-4)
EXP_LIMIT = f32(87)
E6, E5, E4, E3 = f32(1 / 720), f32(1 / 120), f32(1 / 24), f32(1 / 6)
L11, L9, L7, L5, L3 = f32(1 / 11), f32(1 / 9), f32(1 / 7), f32(1 / 5), f32(1 / 3)


@INTRINSIC
def _float_of(typing: Any, bits: Any) -> tuple[Any, Callable[..., Any]]:
    """The float32 with the given bits."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), build


@FUSED
def exp(x):
    """e^x for |x| <= 87, clamped outside: 2^n times a polynomial of the rest."""
    x = EXP_LIMIT if x > EXP_LIMIT else x
    x = -EXP_LIMIT if x < -EXP_LIMIT else x
    n = i32(x * LOG2_E + (f32(0.5) if x > ZERO else f32(-0.5)))
    r = x - f32(n) * LN2_HIGH - f32(n) * LN2_LOW
    p = ((((E6 * r + E5) * r + E4) * r + E3) * r + f32(0.5)) * r * r + r + ONE
    return p * _float_of(i32((n + i32(127)) << i32(23)))


@FUSED
def softplus(x):
    """log(1 + e^x), the logarithm as a series in u / (2 + u)."""
    u = exp(-abs(x))
    s = u / (f32(2) + u)
    q = s * s
    series = ((((L11 * q + L9) * q + L7) * q + L5) * q + L3) * q + ONE
    return f32(2) * s * series + (ZERO if x < ZERO else x)


@FUSED
def hidden_layer(features, weight, bias, hidden):
    """Rectified units (HIDDEN * BLOCK)."""
    for j in range(0, HIDDEN, 2):
        for i in range(BLOCK):
            a, b = bias[j], bias[j + 1]
            for k in range(WIDTH):
                a += weight[j * WIDTH + k] * features[k * BLOCK + i]
                b += weight[j * WIDTH + WIDTH + k] * features[k * BLOCK + i]
            hidden[j * BLOCK + i] = ZERO if a < ZERO else a
            hidden[j * BLOCK + BLOCK + i] = ZERO if b < ZERO else b


@FUSED
def density_layer(hidden, weight, bias, blob, gain, out):
    """Densities (BLOCK,) for the blob's part (BLOCK,): the first row of `weight`."""
    for i in range(BLOCK):
        a = bias[0]
        for k in range(HIDDEN):
            a += weight[k] * hidden[k * BLOCK + i]
        out[i] = a
    for i in range(BLOCK):
        out[i] = gain * softplus(out[i] + blob[i])


@FUSED
def albedo_layer(hidden, weight, bias, out):
    """Albedo into rows 1 to 3 of out (OUTPUTS * BLOCK)."""
    for o in range(1, OUTPUTS):
        for i in range(BLOCK):
            a = bias[o]
            for k in range(HIDDEN):
                a += weight[o * HIDDEN + k] * hidden[k * BLOCK + i]
            out[o * BLOCK + i] = a
    for i in range(BLOCK, OUTPUTS * BLOCK):
        out[i] = ONE / (ONE + exp(-out[i]))


@FUSED
def backward_outputs(out, gain, grad):
    """Turn gradients of density and albedo, grad (OUTPUTS * BLOCK), into those of the network's raw outputs."""
    for i in range(BLOCK):
        grad[i] *= gain * (ONE - exp(-out[i] / gain))  # softplus' = 1 - exp(-softplus)
    for i in range(BLOCK, OUTPUTS * BLOCK):
        grad[i] *= out[i] * (ONE - out[i])


@FUSED
def backward_hidden(grad, weight, hidden, out):
    """Gradients of the hidden sums, (HIDDEN * BLOCK)."""
    for j in range(HIDDEN):
        for i in range(BLOCK):
            a = ZERO
            for o in range(OUTPUTS):
                a += weight[o * HIDDEN + j] * grad[o * BLOCK + i]
            out[j * BLOCK + i] = a if hidden[j * BLOCK + i] > ZERO else ZERO


@FUSED
def backward_features(grad, weight, out):
    """Gradients of the features, (WIDTH * BLOCK); `weight` is the hidden weight transposed, (WIDTH * HIDDEN,)."""
    for k in range(WIDTH):
        for i in range(BLOCK):
            a = ZERO
            for j in range(HIDDEN):
                a += weight[k * HIDDEN + j] * grad[j * BLOCK + i]
            out[k * BLOCK + i] = a


@SUMMED_PART
def add_outer(left, rows, right, columns, out):
    """Add to out (rows * columns,) the products of left (rows * BLOCK) and right (columns * BLOCK), summed over points.

    Two rows and four columns at a time, so that eight sums stay in registers.
    """
    for j in range(0, rows, 2):
        for k in range(0, columns, 4):
            at = j * columns + k
            _add_tile(left[j * BLOCK :], right[k * BLOCK :], out[at : at + 4], out[at + columns : at + columns + 4])


@SUMMED_PART
def _add_tile(left, right, first, second):
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = ZERO
    for i in range(BLOCK):
        a, b = left[i], left[BLOCK + i]
        r0, r1, r2, r3 = right[i], right[BLOCK + i], right[2 * BLOCK + i], right[3 * BLOCK + i]
        a0 += a * r0
        a1 += a * r1
        a2 += a * r2
        a3 += a * r3
        b0 += b * r0
        b1 += b * r1
        b2 += b * r2
        b3 += b * r3
    first[0] += a0
    first[1] += a1
    first[2] += a2
    first[3] += a3
    second[0] += b0
    second[1] += b1
    second[2] += b2
    second[3] += b3


@SUMMED_PART
def add_rows(left, rows, out):
    """Add to out (rows,) the sums over points of left (rows * BLOCK)."""
    for j in range(rows):
        a = ZERO
        for i in range(BLOCK):
            a += left[j * BLOCK + i]
        out[j] += a
