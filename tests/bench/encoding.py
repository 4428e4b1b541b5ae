"""The hash grid against plain torch and against the memory: `python -m tests.bench.encoding`. Quiet machine.

Forward pass and gradient of the table, for random points. The limit is what this machine does with as many random
reads and additions, in tables of the same sizes and with the rows known beforehand: no hashes, no interpolation.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch

from nerf import encoding
from nerf.backends import hashgrid_numba
from nerf.backends.compiled import FUSED, run
from nerf.encoding import HashGrid
from tests.bench.record import RESULTS, record, table

POINTS, REPEATS, SEED = 65_536, 15, 0
ALLOWED = {15: 1.5, 17: 2.5, 19: 4.0}  # the kernel's time over the limit's, by log2_size
CORNERS = 8
PAUSE = 0.1  # seconds, in which torch's threads stop spinning


@FUSED
def read(share, shares, words, offsets, rows, out):
    """Fill out (L, n) with sums of 8 words each, at rows (L, n, 8) of the levels; pieces are levels.

    That is the fastest order, faster than all levels of a block of points: a level stays in the caches.
    """
    for level in range(share, len(offsets), shares):
        entries, these, sums = words[offsets[level] :], rows[level], out[level]
        for point in range(len(sums)):
            total = 0.0
            for corner in range(CORNERS):
                total += entries[these[point, corner]]
            sums[point] = total * 0.125


@FUSED
def add(share, shares, words, offsets, rows, given):
    """Add an eighth of given (L, n) at rows (L, n, 8) of the levels; pieces are levels."""
    for level in range(share, len(offsets), shares):
        entries, these, parts = words[offsets[level] :], rows[level], given[level]
        for point in range(len(parts)):
            part = parts[point] * 0.125
            for corner in range(CORNERS):
                entries[these[point, corner]] += part


def limit(grid: HashGrid, generator: torch.Generator) -> Callable[[], None]:
    """As many reads and additions of 8 bytes as `grid` makes, at rows drawn uniformly from each level."""
    sizes = [level.size for level in grid.layout]
    rows = np.empty((grid.levels, POINTS, CORNERS), np.uint32)
    for level, size in enumerate(sizes):
        rows[level] = torch.randint(size, (POINTS, CORNERS), generator=generator).numpy()
    offsets = np.array([level.offset for level in grid.layout])
    words, out = np.zeros(grid.entries), np.zeros((grid.levels, POINTS))

    def once() -> None:
        run(read, grid.levels, words, offsets, rows, out)
        run(add, grid.levels, words, offsets, rows, out)

    return once


def both_ways(encode: Callable[..., torch.Tensor], grid: HashGrid, generator: torch.Generator) -> Callable[[], None]:
    """Encode random points and take the gradient of the table."""
    points = torch.rand(POINTS, 3, generator=generator)
    entries = grid.table(generator).requires_grad_()
    given = torch.randn(POINTS, grid.width, generator=generator)

    def once() -> None:
        torch.autograd.grad(encode(points, entries, grid, grid.levels), entries, given)

    return once


def medians(contenders: dict[str, Callable[[], None]], generator: torch.Generator) -> dict[str, float]:
    """Median seconds of each, in rounds of random order, so that whatever else the machine does meets all alike."""
    names = list(contenders)
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(REPEATS + 1):
        for turn in torch.randperm(len(names), generator=generator).tolist():
            time.sleep(PAUSE)
            started = time.perf_counter()
            contenders[names[turn]]()
            found[names[turn]].append(time.perf_counter() - started)
    return {name: statistics.median(seconds[1:]) for name, seconds in found.items()}  # the first round compiles


def measure(log2_size: int) -> dict[str, float]:
    """One row: nanoseconds a point and level, and the ratios."""
    generator = torch.Generator().manual_seed(SEED)
    grid = HashGrid(levels=16, features=2, log2_size=log2_size, base=16, finest=2048)
    contenders = {
        "torch": both_ways(encoding.encode, grid, generator),
        "kernel": both_ways(hashgrid_numba.encode, grid, generator),
        "limit": limit(grid, generator),
    }
    seconds = medians(contenders, generator)
    return {
        "log2_size": log2_size,
        "hashed_levels": sum(not level.dense for level in grid.layout),
        **{f"{name}_ns": s / (POINTS * grid.levels) * 1e9 for name, s in seconds.items()},
        "torch_over_kernel": seconds["torch"] / seconds["kernel"],
        "kernel_over_limit": seconds["kernel"] / seconds["limit"],
        "allowed": ALLOWED[log2_size],
    }


def main(folder: Path = RESULTS) -> None:
    rows = [measure(log2_size) for log2_size in ALLOWED]
    facts = {
        "points": POINTS,
        "torch_threads": torch.get_num_threads(),
        "kernel_threads": numba.config.NUMBA_NUM_THREADS,
        "within_allowed": all(row["kernel_over_limit"] <= row["allowed"] for row in rows),
    }
    print(table(rows), facts, sep="\n")
    title = "Hash grid, forward and backward: ns a point and level"
    record("encoding", rows, seed=SEED, title=title, facts=facts, folder=folder)


if __name__ == "__main__":
    main()
