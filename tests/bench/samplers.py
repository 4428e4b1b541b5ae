"""Samplers, how much they cost and how near they come: `python -m tests.bench.samplers`. Quiet machine.

(a) Overhead: whole runs with a network that answers at once, ours and diffusers' scheduler on the same tensors, grid
and schedule included on both sides; the ratio of the times of a step, median of rounds in random order. Writes
results/samplers_overhead.json.

(b) Distance: deterministic samplers on a teacher, from the same noise, prompts and cameras, at equal numbers of network
calls; the root mean square over pixels from the solution of REFERENCE steps, mean over pictures. Writes
results/samplers.json and samplers.png. Pictures are in [-1, 1].
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import samplers
from app.runs import open_teacher
from app.sampling import make_grid
from distill.catalog.captions import draw, phrase
from guidance.teacher import Guided, Teacher
from nerf.cameras import draw as draw_cameras
from samplers.grids import tabulated
from samplers.methods.dpmpp import DPMSolverPP
from samplers.noise import sequential
from samplers.prediction import Prediction
from samplers.schedule import Tabulated
from samplers.types import Denoiser, Sampler, last
from tests.bench.record import RESULTS, Value, record, table
from tests.bench.sampler_pairs import PAIRS, TABLE, Pair

SHAPES = ((1, 4, 64, 64), (16, 3, 32, 32))
STEPS, ROUNDS = 20, 30
ALLOWED_MEDIAN, ALLOWED_MOST = 0.7, 1.0
CALLS = (4, 6, 8, 10, 20, 50)
REFERENCE = 500
CHUNK = 16


# Overhead


def ours(pair: Pair, start: Tensor, answer: Tensor) -> Callable[[], None]:
    """One whole run of our sampler, from settings to the last step."""
    schedule = Tabulated(TABLE)
    generator = torch.Generator().manual_seed(0)

    def network(x_t: Tensor, t: Tensor) -> Prediction:
        return Prediction(answer, "eps", x_t, *schedule.coefficients(t, x_t))

    def once() -> None:
        grid = tabulated("trailing", STEPS)
        last(pair.sampler(network, schedule, start, grid, noise=sequential(generator)))

    return once


def theirs(pair: Pair, start: Tensor, answer: Tensor) -> Callable[[], None]:
    """One whole run of diffusers' scheduler."""
    scheduler, generator = pair.scheduler(), torch.Generator().manual_seed(0)
    extra: dict[str, Any] = {"generator": generator} if pair.draws else {}

    def once() -> None:
        scheduler.set_timesteps(STEPS)
        x = start * scheduler.init_noise_sigma
        for k in scheduler.timesteps:
            scheduler.scale_model_input(x, k)
            x = scheduler.step(answer, k, x, **extra).prev_sample

    return once


def steps_of(contender: str, pair: Pair) -> int:
    """Network calls of a run, over which its time is spread: a sampler of two calls has two halves of a step."""
    if contender == "ours":
        calls = pair.sampler.nfe(Tabulated(TABLE), tabulated("trailing", STEPS))
        return STEPS if calls is None else calls
    scheduler = pair.scheduler()
    scheduler.set_timesteps(STEPS)
    return len(scheduler.timesteps)


def overhead(pair: Pair, shape: tuple[int, ...], generator: torch.Generator, rounds: int) -> dict[str, Value]:
    """Microseconds of a network call's share, ours and theirs, and their ratio."""
    start, answer = (torch.randn(shape, generator=generator) for _ in range(2))
    contenders = {"ours": ours(pair, start, answer), "theirs": theirs(pair, start, answer)}
    found: dict[str, list[float]] = {name: [] for name in contenders}
    with torch.no_grad():
        for _ in range(rounds + 2):
            for turn in torch.randperm(2, generator=generator).tolist():
                name = list(contenders)[turn]
                began = time.perf_counter()
                contenders[name]()
                found[name].append((time.perf_counter() - began) / steps_of(name, pair))
    micro = {name: statistics.median(seconds[2:]) * 1e6 for name, seconds in found.items()}
    row: dict[str, Value] = {"pair": pair.name, "shape": "x".join(map(str, shape))}
    return row | {"ours_us": micro["ours"], "theirs_us": micro["theirs"], "ratio": micro["ours"] / micro["theirs"]}


def measure_overhead(rounds: int, seed: int, folder: Path) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = [overhead(pair, shape, generator, rounds) for pair in PAIRS for shape in SHAPES]
    ratios = [float(row["ratio"] or math.nan) for row in rows]
    facts = {"median_ratio": statistics.median(ratios), "largest_ratio": max(ratios), "pairs": len(PAIRS)}
    within = facts["median_ratio"] <= ALLOWED_MEDIAN and facts["largest_ratio"] <= ALLOWED_MOST
    print(table(rows), facts, sep="\n")
    title = "Samplers: overhead of a step beside diffusers' scheduler"
    record("samplers_overhead", rows, seed=seed, title=title, facts={**facts, "within_allowed": within}, folder=folder)


# Distance


@dataclass(frozen=True)
class Contender:
    """A deterministic sampler under the name of its file and what makes it differ from the default."""

    name: str
    sampler: Sampler


def contenders(guidance: float) -> Iterator[Contender]:
    """Every deterministic sampler as it comes, and the variants of higher or lower order of the large families."""
    for name in samplers.names():
        if name == "splitting" and guidance == 1:  # it splits guidance from the rest, and there is none
            continue
        best: dict[int, Any] = {}
        for variant in samplers.load(name).variants():
            if not variant.stochastic and not getattr(variant, "published", False):
                best.setdefault(variant.order, variant)
        for order, variant in best.items():
            yield Contender(name if len(best) == 1 else f"{name} {order}", variant)


def steps_for(sampler: Sampler, teacher: Teacher, calls: int) -> int | None:
    """The most steps of at most `calls` network calls; None where even one costs more, or the data decides."""
    for steps in range(calls, 0, -1):
        cost = sampler.nfe(teacher.schedule, grid_of(teacher, steps))
        if cost is None:
            return None
        if cost <= calls:
            return steps
    return None


def grid_of(teacher: Teacher, steps: int) -> Tensor:
    def unknown() -> Any:
        raise AssertionError("this grid needs no statistics")

    return make_grid("lambda", teacher.schedule, steps, unknown)


def scene(teacher: Teacher, count: int, guidance: float, seed: int) -> tuple[list[Denoiser], Tensor]:
    """Denoisers in chunks of CHUNK pictures, each picture with a prompt and a camera of its own, and the noise."""
    generator = torch.Generator().manual_seed(seed)
    prompts = [phrase(draw(generator)) for _ in range(count)]
    eps = torch.randn(count, *teacher.shape, generator=generator)
    law = teacher.cameras
    assert law is not None
    views, bound = draw_cameras(law, count, generator), []
    for index in torch.arange(count).split(CHUNK):
        cond = teacher.embed([prompts[i] for i in index.tolist()])
        bound.append(Guided(teacher, cond, teacher.embed([""]), guidance).at(views[index]))
    return bound, eps


@torch.no_grad()
def solved(sampler: Sampler, teacher: Teacher, bound: list[Denoiser], eps: Tensor, steps: int) -> Tensor:
    grid = grid_of(teacher, steps)
    start = float(teacher.schedule.sigma(grid[0])) * eps
    parts = zip(bound, start.split(CHUNK), strict=True)
    return torch.cat([last(sampler(denoise, teacher.schedule, x, grid)) for denoise, x in parts])


def measure_distance(name: str, count: int, guidance: float, seed: int, folder: Path) -> None:
    teacher = open_teacher(name, torch.device("cpu"))
    bound, eps = scene(teacher, count, guidance, seed)
    began = time.perf_counter()
    truth = solved(DPMSolverPP(), teacher, bound, eps, REFERENCE)
    print(f"reference: {time.perf_counter() - began:.0f} s", flush=True)
    rows: list[dict[str, Value]] = []
    for contender in contenders(guidance):
        for calls in CALLS:
            steps = steps_for(contender.sampler, teacher, calls)
            if steps is None:
                continue
            spent = contender.sampler.nfe(teacher.schedule, grid_of(teacher, steps))
            apart = solved(contender.sampler, teacher, bound, eps, steps) - truth
            distance = float(apart.square().flatten(1).mean(1).sqrt().mean())
            rows.append({"sampler": contender.name, "nfe": calls, "steps": steps, "spent": spent, "distance": distance})
        print(table([row for row in rows if row["sampler"] == contender.name] or rows[-1:]), flush=True)
    facts: dict[str, Value] = {"teacher": name, "pictures": count, "guidance": guidance, "reference_steps": REFERENCE}
    for calls in CALLS:
        at = {str(r["sampler"]): float(r["distance"] or 0) for r in rows if r["nfe"] == calls}
        facts[f"best_at_{calls}"] = min(at, key=lambda n: at[n])
        facts[f"ddim_over_best_at_{calls}"] = at["ddim"] / min(at.values())
    record("samplers", rows, seed=seed, title="Samplers: distance to the solution", facts=facts, folder=folder)
    picture(rows, folder / "samplers.png")


def picture(rows: list[dict[str, Value]], path: Path) -> None:
    """Distance over network calls, both logarithmic; the samplers named at the end of their lines, best first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(str(row["sampler"]) for row in rows))
    lines = {name: [(r["nfe"], r["distance"]) for r in rows if r["sampler"] == name] for name in names}
    ordered = sorted(names, key=lambda n: float(lines[n][-1][1] or 0))  # type: ignore[arg-type]
    figure, axes = pyplot.subplots(figsize=(9, 5.6), dpi=110)
    colors = pyplot.get_cmap("turbo")
    for k, name in enumerate(ordered):
        nfe, distance = zip(*lines[name], strict=True)
        shade = colors(0.05 + 0.9 * k / max(1, len(ordered) - 1))
        axes.plot(nfe, distance, color=shade, marker="o", markersize=3, linewidth=1.4, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(CALLS, [str(c) for c in CALLS])
    axes.minorticks_off()
    axes.set_xlabel("network calls")
    axes.set_ylabel("distance to the solution (RMS, pictures in [-1, 1])")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7.5, frameon=False, title="best at the end first"
    )
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("overhead", "distance"), help="one of the two parts")
    parser.add_argument("--teacher", default="embedded")
    parser.add_argument("--count", type=int, default=64, help="pictures for the distance")
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="for the overhead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.only != "distance":
        measure_overhead(args.rounds, args.seed, args.folder)
    if args.only != "overhead":
        measure_distance(args.teacher, args.count, args.guidance, args.seed, args.folder)


if __name__ == "__main__":
    main()
