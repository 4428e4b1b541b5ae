"""Drawing pictures from a teacher: grid, cameras, chunks, files. `app.sample` has checked the names."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import samplers
from app.errors import UserError, blamed_on_input, is_out_of_memory, refusal
from app.provenance import versions
from app.runs import new_folder, open_teacher, slug
from app.sample import Sample
from app.settings import with_settings
from app.statistics import digest, statistics_of
from distill.files import write_atomically
from guidance.teacher import CameraLaw, Counted, Guided, Teacher
from nerf.cameras import Cameras, orbit
from nerf.pictures import Row, contact_sheet, save_png
from samplers import grids
from samplers.dynamic_programming import dynamic_programming
from samplers.noise import brownian
from samplers.schedule import EDM, VE, NoiseSchedule
from samplers.statistics import DenoisingStatistics
from samplers.types import Sampler

CHUNK = 16  # pictures drawn at once
ELEVATION_DEG = 20.0
SHEET, RECORD = "pictures.png", "sample.json"

Measured = Callable[[], DenoisingStatistics]


def draw(asked: Sample, name: str, guidance: float) -> int:
    """Draw what was `asked` from the teacher called `name` and write it; returns the exit code."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sampler: Any = with_settings(samplers.load(asked.sampler)(), asked.sampler, asked.set)
    with blamed_on_input():
        teacher = open_teacher(name, device)
        views = cameras(teacher.cameras, asked.count, asked.azimuth_deg, asked.elevation_deg)

    def measured() -> DenoisingStatistics:
        return statistics_of(name, teacher, device)

    if asked.sampler == "analytic_dpm":
        sampler = replace(sampler, statistics=measured())
    spread = asked.grid or ("karras" if isinstance(teacher.schedule, EDM | VE) else "lambda")
    with blamed_on_input():
        grid = make_grid(spread, teacher.schedule, asked.steps, measured)
    folder = new_folder(asked.out, f"samples-{slug(asked.prompt)}-{asked.seed}")
    try:
        counted, began = Counted(teacher), time.perf_counter()
        pictures = torch.cat(list(_chunks(asked, counted, guidance, sampler, grid, views, device)))
        seconds = time.perf_counter() - began
        facts = _facts(asked, name, guidance, sampler, spread, grid, views)
        work = {"nfe": counted.nfe / asked.count, "seconds": seconds, "seconds_per_picture": seconds / asked.count}
        _write(folder, pictures, {**facts, **work})
    except BaseException as error:
        if not any(folder.iterdir()):
            folder.rmdir()
        told = refusal(error) or ("out of memory; draw fewer pictures by --count" if is_out_of_memory(error) else None)
        if told:
            raise UserError(told) from error
        raise
    print(f"{folder / SHEET}: {asked.count} pictures, {work['nfe']:g} network evaluations each, {seconds:.1f} s")
    return 0


def make_grid(name: str, schedule: NoiseSchedule, steps: int, measured: Measured) -> Tensor:
    """The grid called `name` from noise to t = 0, within `grids.trained_range`. ValueError where it cannot have so many
    steps."""
    start, end = grids.trained_range(schedule)
    match name:
        case _ if steps == 1:
            grid = grids.uniform_t(1, start=start)
        case "lambda":
            grid = grids.to_clean(grids.uniform_lam(schedule, steps - 1, start=start, end=end))
        case "karras":
            grid = grids.to_clean(grids.karras(schedule, steps - 1, start=start, end=end))
        case "dynamic_programming":
            grid = dynamic_programming(schedule, measured(), steps, start=start, end=end)
        case "uniform":
            grid = grids.uniform_t(steps, start=start)
        case "quadratic":
            grid = grids.quadratic_t(steps, start=start)
        case "leading" | "trailing" | "linspace":
            grid = grids.tabulated(name, steps)
        case _:
            raise ValueError(f"unknown grid {name!r}")
    if grid[0] > start:
        grid[0] = max(start, float(grid[0] + grid[1]) / 2)
    return grid


def cameras(
    law: CameraLaw | None, count: int, azimuth_deg: float | None, elevation_deg: float | None
) -> Cameras | None:
    """`count` cameras of a teacher's `law`: at the azimuth, or evenly around; None for a teacher that takes none.

    ValueError where the law does not reach so far.
    """
    if law is None:
        return None
    low, high = law.elevation
    elevation = (
        min(max(math.radians(ELEVATION_DEG), low), high)
        if elevation_deg is None
        else _within(law, "elevation", elevation_deg)
    )
    middle = {key: sum(getattr(law, key)) / 2 for key in ("distance", "fov")}
    views = orbit(count, elevation=elevation, **middle)
    if azimuth_deg is not None:
        return replace(views, azimuth=torch.full((count,), _within(law, "azimuth", azimuth_deg)))
    first, last = law.azimuth
    around = math.isclose(last - first, 2 * math.pi, rel_tol=1e-6)
    return views if around else replace(views, azimuth=torch.linspace(first, last, count + 2)[1:-1])


def _within(law: CameraLaw, key: str, degrees: float) -> float:
    """The angle in radians; an azimuth counts modulo a full turn."""
    low, high = getattr(law, key)
    turn = 2 * math.pi if key == "azimuth" else math.inf
    angle = math.radians(degrees)
    angle = angle if math.isinf(turn) else (angle - low) % turn + low
    if not low - 1e-6 <= angle <= high + 1e-6:
        raise ValueError(
            f"this teacher knows {key}s from {math.degrees(low):g} to {math.degrees(high):g} degrees, got {degrees:g}"
        )
    return angle


@torch.no_grad()
def _chunks(
    asked: Sample,
    teacher: Teacher,
    guidance: float,
    sampler: Sampler,
    grid: Tensor,
    views: Cameras | None,
    device: torch.device,
) -> Iterator[Tensor]:
    """The pictures (b, 3, S, S) in [0, 1] in chunks, each with noise of its own."""
    schedule, chunks = teacher.schedule, torch.arange(asked.count).split(CHUNK)
    with blamed_on_input():
        guided = Guided(teacher, teacher.embed([asked.prompt]), teacher.embed([""]), guidance)
    with tqdm(total=len(chunks) * (len(grid) - 1), unit="step", disable=None, dynamic_ncols=True) as bar:
        for number, index in enumerate(chunks):
            seed = _seed(asked.seed, number)
            generator = torch.Generator().manual_seed(seed)
            eps = torch.randn(len(index), *teacher.shape, generator=generator).to(device)
            x = float(schedule.sigma(grid[0])) * eps
            bound = guided if views is None else guided.at(views[index].to(device))
            with blamed_on_input():
                for step in sampler(bound, schedule, x, grid, noise=brownian(seed)):
                    x = step.x
                    bar.update()
            yield teacher.decode(x).float().cpu()


def _seed(seed: int, chunk: int) -> int:
    """A seed for one chunk: neighbors do not share any."""
    return int.from_bytes(sha256(f"{seed} {chunk}".encode()).digest()[:7], "little")


def _facts(
    asked: Sample, name: str, guidance: float, sampler: Any, spread: str, grid: Tensor, views: Cameras | None
) -> dict[str, Any]:
    """What makes the same pictures again."""
    settings = {key: value for key, value in asdict(sampler).items() if key != "statistics"}
    angles = (
        {}
        if views is None
        else {
            f"{key}_deg": [round(math.degrees(float(a)), 3) for a in getattr(views, key)]
            for key in ("azimuth", "elevation")
        }
    )
    return {
        "prompt": asked.prompt,
        "teacher": name,
        "teacher_digest": digest(name),
        "sampler": asked.sampler,
        "settings": {key: str(value) if value == math.inf else value for key, value in settings.items()},
        "grid": spread,
        "times": [float(t) for t in grid],
        "steps": asked.steps,
        "guidance": guidance,
        "seed": asked.seed,
        "count": asked.count,
        **angles,
        "versions": versions(),
    }


def _write(folder: Path, pictures: Tensor, facts: dict[str, Any]) -> None:
    count = len(pictures)
    digits, columns = len(str(count - 1)), math.ceil(math.sqrt(count))
    for number, picture in enumerate(pictures):
        save_png(folder / f"{number:0{digits}}.png", picture)
    rows = [Row("", list(part)) for part in pictures.split(columns)]
    save_png(folder / SHEET, contact_sheet(rows, cell=max(128, pictures.shape[-1])))
    write_atomically(folder / RECORD, (json.dumps(facts, indent=1) + "\n").encode())
