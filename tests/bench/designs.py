"""Which design of a teacher to train on: `python -m tests.bench.designs NAME=FOLDER NAME=FOLDER ...`.

Held-out denoising errors (`distill.denoising_error`) of teachers that were trained at about equal compute, on geometry,
cameras and colors that none of them saw. FOLDER is a teacher's, or the run that trained it. Writes results/designs.json
and .md, one row a design, and results/designs_levels.json and .md, one row a design and noise level.

noisy, clean: geometric means of the squared error of x0 over the levels up to 0, where the layout is decided, and over
those above. vs_first: the error over that of the first design, on the same pictures and noise, and its bootstrap
interval of 95 % over the pictures. camera, condition: how many times larger the noisy error is at a wrong azimuth, and
without text and camera. ms: of one picture in a forward pass, median of rounds in which the designs take turns.
compute: pictures times ms, over that of the first design; train_seconds depend on what else the machine did.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from app.runs import RESULTS as RUN_FILE
from app.teachers import CARD
from distill.denoising_error import LEVELS, DenoisingError, denoising_error, held_out_bank
from guidance.teachers.embedded import EmbeddedTeacher, load_teacher
from nerf.cameras import orbit
from tests.bench.record import RESULTS, Value, record, table

ROUNDS, VIEWS, RESAMPLES = 9, 8, 2000
PROMPT = "a red mushroom with a white stem"


def opened(folder: Path) -> tuple[Path, EmbeddedTeacher]:
    inside = folder if (folder / CARD).exists() else folder / "teacher"
    return inside, load_teacher(inside, torch.device("cpu"))


def milliseconds(teachers: dict[str, EmbeddedTeacher]) -> dict[str, float]:
    """Of one picture in a forward pass of VIEWS pictures. The designs take turns, and so share all disturbances."""
    views = orbit(VIEWS, elevation=0.3, distance=3.2, fov=0.698)
    found: dict[str, list[float]] = {name: [] for name in teachers}
    with torch.no_grad():
        conds = {name: teacher.embed([PROMPT]).at(views) for name, teacher in teachers.items()}
        for _ in range(ROUNDS + 1):
            for name, teacher in teachers.items():
                x_t = torch.randn(VIEWS, *teacher.shape, generator=torch.Generator().manual_seed(0))
                started = time.perf_counter()
                teacher(x_t, torch.tensor(0.5), conds[name])
                found[name].append((time.perf_counter() - started) / VIEWS * 1e3)
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def versus(found: DenoisingError, first: DenoisingError, rows: list[bool], seed: int = 0) -> tuple[float, str]:
    """The ratio of the geometric means over the levels `rows`, and its 95 % interval by resampling pictures."""

    def ratio(columns: Tensor) -> float:
        means = (x.told[torch.tensor(rows)][:, columns].mean(1) for x in (found, first))
        return float((next(means) / next(means)).log().mean().exp())

    n = found.told.shape[1]
    draws = torch.randint(n, (RESAMPLES, n), generator=torch.Generator().manual_seed(seed))
    low, high = torch.tensor([ratio(d) for d in draws]).quantile(torch.tensor([0.025, 0.975])).tolist()
    return ratio(torch.arange(n)), f"{low:.3f} to {high:.3f}"


def training(folder: Path, teacher: EmbeddedTeacher) -> dict[str, float | None]:
    """What the card and the run's own record say; None where the folder stands alone."""
    notes, record_file = teacher.card.notes, folder.parent / RUN_FILE
    known = "steps" in notes and "batch" in notes
    seconds = json.loads(record_file.read_text())["seconds"]["steps"] if record_file.exists() else None
    return {"pictures": notes["steps"] * notes["batch"] if known else None, "train_seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("designs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--count", type=int, default=512, help="held-out pictures")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    given = dict(design.partition("=")[::2] for design in args.designs)
    folders, teachers = {}, {}
    for name, folder in given.items():
        folders[name], teachers[name] = opened(Path(folder))
    sides = {teacher.shape[-1] for teacher in teachers.values()}
    if len(sides) != 1:
        raise SystemExit(f"errors compare at equal picture sides only, got {sorted(sides)}")
    bank = held_out_bank(sides.pop())
    errors: dict[str, DenoisingError] = {}
    for name, teacher in teachers.items():
        errors[name] = denoising_error(teacher, bank, count=args.count, seed=args.seed)
        print(name, errors[name].overall(), flush=True)
    report(folders, teachers, errors, args.seed)


def report(
    folders: dict[str, Path], teachers: dict[str, EmbeddedTeacher], errors: dict[str, DenoisingError], seed: int
) -> None:
    speed, first = milliseconds(teachers), next(iter(errors.values()))
    rows: list[dict[str, Value]] = []
    levels: list[dict[str, Value]] = []
    first_work = 0.0
    for name, found in errors.items():
        teacher, trained = teachers[name], training(folders[name], teachers[name])
        row: dict[str, Value] = {"design": name, "form": teacher.card.form, "process": type(teacher.schedule).__name__}
        for part, low, high in (("noisy", -math.inf, 0.0), ("clean", 0.5, math.inf)):
            row[part] = found.overall(low, high)["error"]
            rows_of = [low <= lam <= high for lam in found.levels]
            row[f"{part}_vs_first"], row[f"{part}_interval"] = versus(found, first, rows_of)
        row |= {key: found.overall(high=0.0)[key] for key in ("camera", "condition")}
        row |= {"parameters": sum(p.numel() for p in teacher.network.parameters()), "ms": speed[name], **trained}
        work = (trained["pictures"] or 0) * speed[name]
        first_work = first_work or work
        rows.append(row | {"compute": work / first_work if work and first_work else None})
        means = (x.mean(1).tolist() for x in (found.told, found.turned, found.untold))
        for lam, told, turned, untold in zip(LEVELS, *means, strict=True):
            ratios = {"camera": turned / told, "condition": untold / told}
            levels.append({"design": name, "lam": lam, "told": told, "turned": turned, "untold": untold, **ratios})
    print(table(rows), table(levels), sep="\n\n")
    facts = {"held_out_pictures": first.told.shape[1], "picture_side": next(iter(teachers.values())).shape[-1]}
    record("designs", rows, seed=seed, title="Designs of a teacher at equal compute", facts=facts, folder=RESULTS)
    record("designs_levels", levels, seed=seed, title="Designs of a teacher, by noise level", facts=facts)


if __name__ == "__main__":
    main()
