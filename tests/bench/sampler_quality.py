"""Which samplers make better pictures: `python -m tests.bench.sampler_quality --features MODULE:FUNCTION`.

Twelve samplers on a small teacher of 16 px catalog pictures, which our own recipe trains (kept in --run, and trained
only once): the Frechet distance of features of --count samples from those of as many catalog pictures, under the same
captions and cameras, by number of network calls. FUNCTION takes pictures (b, 3, 16, 16) in [0, 1] to features (b, d).

Writes results/sampler_quality.json: one row a sampler and number of calls, and as facts the orderings that the
literature agrees on (ORDERINGS) and whether ours agree. `floor` is the distance of two sets of catalog pictures.
"""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app import runs
from app.runs import Job
from app.sampling import make_grid
from app.stopping import Stop
from distill.catalog.captions import phrase
from distill.catalog.pictures import Bank, render_bank
from distill.events import Failed, Finished
from distill.frechet import frechet_distance
from distill.recipes.denoiser import Denoiser
from distill.sources import colored
from distill.teacher_statistics import teacher_statistics
from guidance.teacher import Cond, Guided, Teacher
from guidance.teachers.embedded import load_teacher
from samplers.methods.analytic_dpm import AnalyticDPM
from samplers.methods.ddim import DDIM
from samplers.methods.ddpm import DDPM
from samplers.methods.deis import DEIS
from samplers.methods.dpm_solver import DPMSolver
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.dpmpp_sde import SDEDPMSolverPP
from samplers.methods.era import ERA
from samplers.methods.euler_maruyama import EulerMaruyama
from samplers.methods.heun import Heun
from samplers.methods.ipndm import IPNDM
from samplers.methods.unipc import UniPC
from samplers.noise import sequential
from samplers.statistics import DenoisingStatistics
from samplers.types import last
from tests.bench.record import RESULTS, Value, record, table

Features = Callable[[Tensor], Tensor]

SIDE, BATCH = 16, 100
CALLS = (6, 10, 20, 50)
TEACHER = Denoiser(side=SIDE, levels=(32, 64, 80), width=192, steps=12_000, batch=64, shards=4, half_life=50_000.0)
MOST_WEIGHTS = 1_500_000
ORDERINGS = (
    # (better, worse, network calls, who says so)
    ("ddim", "ddpm", 10, "Song et al. 2020, 2010.02502, table 1"),
    ("ddim", "ddpm", 20, "Song et al. 2020, 2010.02502, table 1"),
    ("analytic_dpm", "ddpm", 10, "Bao et al. 2022, 2201.06503, table 2"),
    ("analytic_dpm", "ddpm", 20, "Bao et al. 2022, 2201.06503, table 2"),
    ("dpmpp", "ddim", 10, "Lu et al. 2022, 2211.01095, figure 3"),
    ("dpm_solver", "ddim", 20, "Lu et al. 2022, 2206.00927, table 2"),
    ("deis", "ddim", 10, "Zhang and Chen 2022, 2204.13902, table 2"),
    ("unipc", "ddim", 10, "Zhao et al. 2023, 2302.04867, table 1"),
    ("ipndm", "ddim", 10, "Zhang and Chen 2022, 2204.13902, table 2"),
    ("ddim", "euler_maruyama", 20, "Song et al. 2020, 2010.02502, section 4.3"),
    ("dpmpp_sde", "euler_maruyama", 20, "Lu et al. 2022, 2211.01095, appendix B"),
)


def contenders(statistics: DenoisingStatistics) -> dict[str, Any]:
    return {
        "euler_maruyama": EulerMaruyama(),
        "ddpm": DDPM(),
        "analytic_dpm": AnalyticDPM(statistics),
        "dpmpp_sde": SDEDPMSolverPP(),
        "ddim": DDIM(),
        "heun": Heun(),
        "dpm_solver": DPMSolver(),
        "dpmpp": DPMSolverPP(),
        "deis": DEIS(),
        "unipc": UniPC(),
        "ipndm": IPNDM(),
        "era": ERA(),
    }


def trained(recipe: Denoiser, folder: Path) -> Teacher:
    """The teacher of a finished run in `folder`, which is trained, or gone on with, if it is not there yet."""
    if not (folder / runs.RESULTS).exists():
        if not (folder / runs.CONFIG).exists():
            runs.claim(Job(recipe, None), str(folder), "unused")
        *_, end = runs.carry_out(folder, Job.read(folder), Stop())
        if isinstance(end, Failed) or not isinstance(end, Finished):
            raise SystemExit(f"the training in {folder} failed: {end}")
    return load_teacher(folder / "teacher", torch.device("cpu"))


def shown(bank: Bank, generator: torch.Generator) -> tuple[Tensor, list[str]]:
    """Pictures of a bank in random colors, and their captions."""
    pictures, captions = colored(bank, torch.arange(len(bank)), generator)
    return pictures, [phrase(caption) for caption in captions]


@torch.no_grad()
def samples(sampler: Any, teacher: Teacher, cond: Cond, count: int, grid: Tensor, seed: int) -> Tensor:
    """`count` pictures in [0, 1], each under its own row of `cond`, without guidance; the same noise for all."""
    generator, made = torch.Generator().manual_seed(seed), []
    for index in torch.arange(count).split(BATCH):
        rows = cond[index]
        eps = torch.randn(len(index), *teacher.shape, generator=generator)
        x = float(teacher.schedule.sigma(grid[0])) * eps
        noise = sequential(torch.Generator().manual_seed(seed + 1 + int(index[0])))
        made.append(
            teacher.decode(last(sampler(Guided(teacher, rows, rows, 1.0), teacher.schedule, x, grid, noise=noise)))
        )
    return torch.cat(made)


def steps_for(sampler: Any, teacher: Teacher, calls: int) -> Tensor | None:
    """The longest grid of at most `calls` network calls."""
    for steps in range(calls, 0, -1):
        grid = make_grid("lambda", teacher.schedule, steps, lambda: DenoisingStatistics.of_gaussian(1.0))
        if sampler.nfe(teacher.schedule, grid) <= calls:
            return grid
    return None


def agreement(rows: list[dict[str, Value]]) -> dict[str, Value]:
    """For every ordering of the literature whether the distances agree; only of those that were measured."""
    at = {(row["sampler"], row["nfe"]): float(row["distance"] or 0) for row in rows}
    found: dict[str, Value] = {}
    for better, worse, calls, who in ORDERINGS:
        if (better, calls) in at and (worse, calls) in at:
            found[f"{better} < {worse} at {calls} ({who})"] = at[better, calls] < at[worse, calls]
    return found


def measure(
    teacher: Teacher, features: Features, count: int, seed: int, calls: tuple[int, ...] = CALLS
) -> tuple[list[dict[str, Value]], dict[str, Value]]:
    """Rows and facts; no file is written."""
    generator = torch.Generator().manual_seed(seed)
    banks = [render_bank(count, teacher.shape[-1], generator) for _ in range(2)]
    (pictures, prompts), (others, _) = (shown(bank, generator) for bank in banks)
    true = features(pictures)
    cond = teacher.embed(prompts).at(banks[0].cameras)
    rows: list[dict[str, Value]] = []
    for name, sampler in contenders(teacher_statistics(teacher)).items():
        for budget in calls:
            grid = steps_for(sampler, teacher, budget)
            if grid is not None:
                found = features(samples(sampler, teacher, cond, count, grid, seed))
                rows.append({"sampler": name, "nfe": budget, "distance": frechet_distance(found, true)})
        print(table([row for row in rows if row["sampler"] == name]), flush=True)
    agreed = agreement(rows)
    facts: dict[str, Value] = {"samples": count, "floor": frechet_distance(features(others), true)}
    return rows, {**facts, "orderings": len(agreed), "agree": sum(map(bool, agreed.values())), **agreed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True, metavar="MODULE:FUNCTION")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/sampler-quality"), help="of the small teacher's training"
    )
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    module, _, name = args.features.partition(":")
    teacher = trained(TEACHER, args.run)
    rows, facts = measure(teacher, getattr(importlib.import_module(module), name), args.count, args.seed)
    facts["features"] = args.features
    record("sampler_quality", rows, seed=args.seed, title="Samplers: Frechet distance", facts=facts, folder=args.folder)


if __name__ == "__main__":
    main()
