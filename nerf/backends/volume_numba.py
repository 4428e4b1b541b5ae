"""Compiled CPU twin of `nerf.render.trace` for a `HashField`: march, encode, network, compositing and the way back.

Rays that meet anything are taken in chunks. All rays of a chunk advance together, front to back, a few samples at a
time (a wave), and one whose transmittance falls below `stop` leaves; so samples behind a surface are never evaluated,
while the network still sees full blocks. What the way back needs is kept in evaluation order: `place` tells where a
ray's samples are. Weights' gradients are summed within a chunk and then over the chunks in order: no result depends
on the number of threads.

Dims: R rays, A rays that meet something, C chunks, S samples, B points of a block.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerf.backends import network_numba as net
from nerf.backends.compiled import FUSED, PART, SUMMED, run
from nerf.backends.field_numba import evaluate, scratch, weights_of
from nerf.backends.hashgrid_numba import BLOCK, FEATURES, clear, levels_of, locate, scatter, words
from nerf.backends.march_numba import march
from nerf.backends.network_numba import HIDDEN, OUTPUTS, WIDTH

if TYPE_CHECKING:
    from nerf.field import HashField

f32 = np.float32
CHUNK = 512  # rays
WAVE = 2048  # samples a wave aims at: four a ray; with fewer, looking after rays costs more than their samples
SUMS = 6  # albedo, 1, t, t^2
ONE = f32(1)
NETWORK = HIDDEN * WIDTH, HIDDEN, OUTPUTS * HIDDEN, OUTPUTS  # sizes of the weights and biases


class Rays(NamedTuple):
    """origins, directions (R, 3); t (S,) and starts (R + 1,) packed samples; active (A,) rays with samples."""

    origins: np.ndarray
    directions: np.ndarray
    t: np.ndarray
    starts: np.ndarray
    active: np.ndarray


class Tape(NamedTuple):
    """In evaluation order: unit (3, S) positions, features (WIDTH, S), outputs (S, OUTPUTS), dims (S,) the share of
    light that a sample lets pass. Of a ray's samples: place (S,). used (R,): samples that count. evaluated (C,):
    samples of a chunk."""

    unit: np.ndarray
    features: np.ndarray
    outputs: np.ndarray
    dims: np.ndarray
    place: np.ndarray
    used: np.ndarray
    evaluated: np.ndarray


@PART
def _evaluate(s, at, count, step, weights, levels, active, tape, keep):
    """Density and albedo of the first `count` points of the block, stored on the tape from `at` on."""
    evaluate(s, weights, levels, active, True)
    for i in range(BLOCK):
        s.blob[i] = net.exp(-s.out[i] * step)
    tape.dims[at : at + count] = s.blob[:count]
    for i in range(count):
        for o in range(OUTPUTS):
            tape.outputs[at + i, o] = s.out[o * BLOCK + i]
    if keep:
        tape.unit[0, at : at + count] = s.x[:count]
        tape.unit[1, at : at + count] = s.y[:count]
        tape.unit[2, at : at + count] = s.z[:count]
        for k in range(WIDTH):
            tape.features[k, at : at + count] = s.features[k * BLOCK : k * BLOCK + count]


@PART
def _wave(rays, alive, living, done, each, at, s, step, weights, levels, active, tape, keep):
    """Evaluate the next `each` samples of the living rays, from place `at` on; the place after the last."""
    filled = 0
    for index in range(living):
        ray = alive[index]
        first = rays.starts[ray] + done[index]
        last = min(first + each, rays.starts[ray + 1])
        for sample in range(first, last):
            t = rays.t[sample]
            s.x[filled] = rays.origins[ray, 0] + t * rays.directions[ray, 0]
            s.y[filled] = rays.origins[ray, 1] + t * rays.directions[ray, 1]
            s.z[filled] = rays.origins[ray, 2] + t * rays.directions[ray, 2]
            tape.place[sample] = at + filled
            filled += 1
            if filled == BLOCK:
                _evaluate(s, at, BLOCK, step, weights, levels, active, tape, keep)
                at += BLOCK
                filled = 0
    if filled:
        _evaluate(s, at, filled, step, weights, levels, active, tape, keep)
    return at + filled


@PART
def _composite(ray, first, last, passed, stop, rays, tape, sums):
    """Add the samples first..last to the sums of a ray, starting at transmittance `passed`: (transmittance, used)."""
    used = 0
    red = green = blue = opacity = mean = square = f32(0)
    for sample in range(first, last):
        if passed < stop:
            break
        at, t = tape.place[sample], rays.t[sample]
        after = passed * tape.dims[at]
        weight = passed - after
        red += weight * tape.outputs[at, 1]
        green += weight * tape.outputs[at, 2]
        blue += weight * tape.outputs[at, 3]
        opacity += weight
        mean += weight * t
        square += weight * t * t
        passed = after
        used += 1
    sums[0, ray] += red
    sums[1, ray] += green
    sums[2, ray] += blue
    sums[3, ray] += opacity
    sums[4, ray] += mean
    sums[5, ray] += square
    return passed, used


@FUSED
def _forward(share, shares, rays, step, stop, weights, levels, active, tape, keep, sums):
    """Fill sums (SUMS, R), zeros on entry, and the tape; pieces are chunks."""
    s = scratch()
    alive, done, passed = np.empty(CHUNK, np.int64), np.empty(CHUNK, np.int64), np.empty(CHUNK, f32)
    for chunk in range(share, len(tape.evaluated), shares):
        living = min(CHUNK, len(rays.active) - chunk * CHUNK)
        alive[:living] = rays.active[chunk * CHUNK : chunk * CHUNK + living]
        done[:living] = 0
        passed[:living] = ONE
        begin = rays.starts[alive[0]]
        at = begin
        while living:
            each = max(1, WAVE // living)
            at = _wave(rays, alive, living, done, each, at, s, step, weights, levels, active, tape, keep)
            still = 0
            for index in range(living):
                ray = alive[index]
                first = rays.starts[ray] + done[index]
                last = min(first + each, rays.starts[ray + 1])
                left, used = _composite(ray, first, last, passed[index], stop, rays, tape, sums)
                tape.used[ray] += used
                if left >= stop and last < rays.starts[ray + 1]:
                    alive[still], done[still], passed[still] = ray, done[index] + each, left
                    still += 1
            living = still
        tape.evaluated[chunk] = at - begin


@PART
def _decomposite(ray, step, rays, tape, sums, grad_sums, grad):
    """Gradients of a ray's densities and albedos, into grad (S, OUTPUTS)."""
    g0, g1, g2, g3 = grad_sums[0, ray], grad_sums[1, ray], grad_sums[2, ray], grad_sums[3, ray]
    g4, g5 = grad_sums[4, ray], grad_sums[5, ray]
    behind = g0 * sums[0, ray] + g1 * sums[1, ray] + g2 * sums[2, ray] + g3 * sums[3, ray]
    behind += g4 * sums[4, ray] + g5 * sums[5, ray]
    passed = ONE
    first = rays.starts[ray]
    for sample in range(first, first + tape.used[ray]):
        at, t = tape.place[sample], rays.t[sample]
        after = passed * tape.dims[at]
        weight = passed - after
        value = g0 * tape.outputs[at, 1] + g1 * tape.outputs[at, 2] + g2 * tape.outputs[at, 3]
        value += g3 + t * (g4 + t * g5)
        behind -= weight * value
        grad[at, 0] = step * (after * value - behind)
        grad[at, 1] = weight * g0
        grad[at, 2] = weight * g1
        grad[at, 3] = weight * g2
        passed = after


@PART
def _turn_block(rows, out):
    """rows (n, OUTPUTS) for n <= BLOCK to feature-major out (OUTPUTS * BLOCK), padded with zeros."""
    for i in range(len(rows)):
        for o in range(OUTPUTS):
            out[o * BLOCK + i] = rows[i, o]
    for o in range(OUTPUTS):
        out[o * BLOCK + len(rows) : (o + 1) * BLOCK] = 0


@SUMMED
def _backward(share, shares, rays, step, weights, turned, tape, sums, grad_sums, grad, by_network):
    """Fill by_network (C, sum of NETWORK), and put the features' gradients in the place of the features on the tape.

    `turned` is the hidden weight transposed; `grad` (S, OUTPUTS) is scratch. Pieces are chunks.
    """
    hidden, out = np.empty(HIDDEN * BLOCK, f32), np.empty(OUTPUTS * BLOCK, f32)
    features, by_out = np.zeros(WIDTH * BLOCK, f32), np.empty(OUTPUTS * BLOCK, f32)
    by_hidden = np.empty(HIDDEN * BLOCK, f32)
    a, b, c = NETWORK[0], NETWORK[0] + NETWORK[1], NETWORK[0] + NETWORK[1] + NETWORK[2]
    for chunk in range(share, len(tape.evaluated), shares):
        found = by_network[chunk]
        found[:] = 0
        members = rays.active[chunk * CHUNK : (chunk + 1) * CHUNK]
        begin = rays.starts[members[0]]
        end = begin + tape.evaluated[chunk]
        grad[begin:end] = 0
        for ray in members:
            _decomposite(ray, step, rays, tape, sums, grad_sums, grad)
        for at in range(begin, end, BLOCK):
            count = min(BLOCK, end - at)
            for k in range(WIDTH):
                features[k * BLOCK : k * BLOCK + count] = tape.features[k, at : at + count]
            _turn_block(tape.outputs[at : at + count], out)
            _turn_block(grad[at : at + count], by_out)
            net.backward_outputs(out, f32(weights.gain), by_out)
            net.hidden_layer(features, weights.hidden_weight, weights.hidden_bias, hidden)
            net.add_outer(by_out, OUTPUTS, hidden, HIDDEN, found[b:c])
            net.add_rows(by_out, OUTPUTS, found[c:])
            net.backward_hidden(by_out, weights.out_weight, hidden, by_hidden)
            net.add_outer(by_hidden, HIDDEN, features, WIDTH, found[:a])
            net.add_rows(by_hidden, HIDDEN, found[a:b])
            net.backward_features(by_hidden, turned, features)
            for k in range(WIDTH):
                tape.features[k, at : at + count] = features[k * BLOCK : k * BLOCK + count]


@FUSED
def _backward_table(share, shares, rays, levels, active, tape, out):
    """Fill out (E,) from the features' gradients that `_backward` left on the tape; pieces are levels."""
    s = scratch()
    for level in range(share, len(levels.size), shares):
        clear(out, level, levels)
        if level >= active:
            continue
        low, high = tape.features[FEATURES * level], tape.features[FEATURES * level + 1]
        for chunk in range(len(tape.evaluated)):
            begin = rays.starts[rays.active[chunk * CHUNK]]
            end = begin + tape.evaluated[chunk]
            for at in range(begin, end, BLOCK):
                count = min(BLOCK, end - at)
                s.x[:count] = tape.unit[0, at : at + count]
                s.y[:count] = tape.unit[1, at : at + count]
                s.z[:count] = tape.unit[2, at : at + count]
                locate(s.x, s.y, s.z, level, levels, s.row, s.weight)
                scatter(out, s.row, s.weight, low[at : at + count], high[at : at + count], count)


class _Trace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, field: "HashField", rays: Rays, step: float, stop: float, keep: bool, *_: Tensor) -> Tensor:
        chunks, samples = -(-len(rays.active) // CHUNK), len(rays.t)
        kept = samples if keep else 0
        tape = Tape(
            np.empty((3, kept), f32),
            np.empty((WIDTH, kept), f32),
            np.empty((samples, OUTPUTS), f32),
            np.empty(samples, f32),
            np.empty(samples, np.int32),
            np.zeros(len(rays.origins), np.int32),
            np.zeros(chunks, np.int64),
        )
        sums = torch.zeros(SUMS, len(rays.origins))
        model = weights_of(field), levels_of(field.grid), field.active_levels
        run(_forward, chunks, rays, f32(step), f32(stop), *model, tape, keep, sums.numpy())
        ctx.save_for_backward(field.table, *field.network)
        ctx.rest = field, rays, step, tape, sums.numpy()
        return sums

    @staticmethod
    def backward(ctx: Any, grad_sums: Tensor) -> tuple[Tensor | None, ...]:
        table, hidden_weight, *_ = ctx.saved_tensors  # raises where they were changed since the way out
        if ctx.rest is None:
            raise RuntimeError("a volume rendering can be differentiated once: its tape is overwritten on the way back")
        (field, rays, step, tape, sums), ctx.rest = ctx.rest, None
        levels, chunks = levels_of(field.grid), len(tape.evaluated)
        by_network = np.empty((chunks, sum(NETWORK)), f32)
        grad, turned = np.empty_like(tape.outputs), hidden_weight.t().contiguous().reshape(-1).numpy()
        given = sums, grad_sums.contiguous().numpy(), grad
        run(_backward, chunks, rays, f32(step), weights_of(field), turned, tape, *given, by_network)
        by_table = torch.empty_like(table)
        run(_backward_table, field.grid.levels, rays, levels, field.active_levels, tape, words(by_table))
        parts = torch.from_numpy(by_network.sum(0)).split(NETWORK)
        by_parameters = [part.reshape(x.shape) for part, x in zip(parts, field.network, strict=True)]
        return None, None, None, None, None, by_table, *by_parameters


def trace(
    field: "HashField", origins: Tensor, directions: Tensor, offset: Tensor, occupied: Tensor, step: float, stop: float
) -> Tensor:
    """`nerf.render.trace` for float32 on a CPU."""
    geometry = origins.contiguous().numpy(), directions.contiguous().numpy()
    t, starts = march(*geometry, offset.numpy(), step, occupied.numpy())
    rays = Rays(*geometry, t, starts, np.flatnonzero(np.diff(starts)))
    parameters = field.table, *field.network
    keep = torch.is_grad_enabled() and any(p.requires_grad for p in parameters)
    return _Trace.apply(field, rays, step, stop, keep, *parameters)
