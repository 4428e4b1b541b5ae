"""A run's folder: what lies in it, who may claim it, and how the run in it is carried out.

config.json      recipe and teacher: all that is needed to do it again
checkpoint.pt    the state, and its predecessor beside it
events.jsonl     what happened, one line each
previews/        pictures of the state; preview.png is the newest
run.json         written at the end: versions, seed, seconds by stage, what was measured
error.log        a traceback, where a defect of the program showed
and what the recipe exports: mesh.glb and turntable.mp4, or a teacher's folder
"""

import json
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from app.backoff import forget, lighter, note_lighter, told_lighter
from app.checkpoints import folder_of
from app.devices import device_of
from app.errors import UserError, blamed_on_input, blamed_on_machine, is_out_of_memory, one_line
from app.locks import alone
from app.provenance import versions
from app.stopping import Stop
from app.teachers import CARD, oracle_side
from distill.catalog.oracle import OracleTeacher
from distill.checkpoint import CheckpointError, previous
from distill.engine import CHECKPOINT, EVENTS, Pace, Recipe, Run, optimize, restore
from distill.events import Event, Finished, Stepped, from_line
from distill.files import write_atomically
from distill.recipe_json import from_data, recipe_from_json, recipe_to_json, to_data
from guidance.teacher import Teacher
from guidance.teachers.diffusion import open_checkpoint
from guidance.teachers.embedded import embedded_folder, load_teacher
from guidance.teachers.loading import USUAL, Loading

CONFIG, RESULTS, ERRORS = "config.json", "run.json", "error.log"


@dataclass(frozen=True)
class Job:
    """What `config.json` says. `teacher` is a name or a folder, None for recipes that learn from data alone; `loading`
    is how it is opened, and is written only where it is not the usual way."""

    recipe: Recipe
    teacher: str | None
    loading: Loading = USUAL

    def __post_init__(self) -> None:
        if not -(2**63) <= self.recipe.seed < 2**64:
            raise ValueError(f"seed must be a whole number of 64 bits, got {self.recipe.seed}")

    def to_json(self) -> str:
        loading = {} if self.loading == USUAL else {"loading": to_data(self.loading, "loading")}
        recipe = json.loads(recipe_to_json(self.recipe))
        return json.dumps({"teacher": self.teacher, **loading, "recipe": recipe}, indent=2) + "\n"

    @staticmethod
    def read(folder: Path) -> "Job":
        """The job of a run's folder. UserError, in one line, where there is none or it is damaged."""
        path = folder / CONFIG
        if not path.exists():
            raise UserError(f"{folder} is not a run: it has no {CONFIG}")
        with blamed_on_input():
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                if not isinstance(data, dict) or set(data) - {"loading"} != {"teacher", "recipe"}:
                    raise ValueError("needs exactly the entries teacher and recipe")
                if not isinstance(data["teacher"], str | None):
                    raise ValueError(f"teacher: expected a name, got {data['teacher']!r:.60}")
                loading = from_data(data["loading"], "loading") if "loading" in data else USUAL
                if not isinstance(loading, Loading):
                    raise ValueError(f"loading: expected a Loading, got a {type(loading).__name__}")
                return Job(recipe_from_json(json.dumps(data["recipe"])), data["teacher"], loading)
            except ValueError as error:
                raise ValueError(f"{path}: {one_line(error)}; mend it, or start a new run") from error


def claim(job: Job, out: str | None, name: str) -> Path:
    """Make a new run's folder with its `config.json`: `out`, or `runs/<name>` with a number where that is taken.

    UserError as in `new_folder`.
    """
    folder = new_folder(out, name)
    try:
        write_atomically(folder / CONFIG, job.to_json().encode())
    except OSError as error:
        raise _no_folder(error) from error
    return folder


def new_folder(out: str | None, name: str) -> Path:
    """Make the folder `out`, or `runs/<name>` with a number where that is taken.

    UserError where `out` holds something already or cannot be written: no earlier result is ever touched.
    """
    if out is not None and not out.strip():
        raise UserError("--out is empty; name a folder, or leave it out")
    try:
        return _fresh(Path(out)) if out is not None else _numbered(Path("runs"), name)
    except OSError as error:
        raise _no_folder(error) from error


def _no_folder(error: OSError) -> UserError:
    return UserError(f"cannot make the run's folder: {one_line(error)}; name another one by --out")


def release(folder: Path) -> None:
    """Give a claimed folder back if nothing but its `config.json` was ever in it."""
    if [p.name for p in folder.iterdir()] == [CONFIG]:
        (folder / CONFIG).unlink()
        folder.rmdir()


def slug(text: str) -> str:
    """`text` as a folder name: lower case, digits and hyphens, at most 48 letters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-") or "run"


def _fresh(out: Path) -> Path:
    if (out / CONFIG).exists():
        raise UserError(
            f"{out} already holds a run; go on with it by `scorelift resume {out}`, or choose another --out"
        )
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    return out


def _numbered(parent: Path, name: str) -> Path:
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not folder.is_dir():
                raise
    raise AssertionError("counting ends nowhere")


def open_teacher(name: str, device: torch.device, loading: Loading = USUAL) -> Teacher:
    """The teacher that `teachers.check` let pass, on `device`. ValueError, in one line, where it cannot be opened."""
    side = oracle_side(name)
    if side:
        return OracleTeacher(side)
    checkpoint = folder_of(name, loading)
    if checkpoint is not None:
        return open_checkpoint(checkpoint, loading, device)
    folder = embedded_folder() if name == "embedded" else Path(name)
    if not (folder / CARD).is_file():
        remedy = "reinstall Scorelift" if name == "embedded" else f"put it back, or write its new place into {CONFIG}"
        raise ValueError(f"the teacher {name!r} is not at {folder}; {remedy}")
    return load_teacher(folder, device)


def open_run(folder: Path, job: Job, teacher: Teacher | None = None) -> tuple[Run, int]:
    """The run in `folder` as its checkpoint left it, and the step it stands at; fresh where it has none.

    teacher: where it is open already.
    """
    with blamed_on_input():
        device = device_of(job.loading)
        if teacher is None and job.teacher is not None:
            teacher = open_teacher(job.teacher, device, job.loading)
        run = job.recipe.build(teacher, device)
        saved = folder / CHECKPOINT
        start = restore(run, folder) if saved.exists() or previous(saved).exists() else 0
        if start > job.recipe.steps:
            raise CheckpointError(
                f"the checkpoint in {folder} stands at step {start}, but {CONFIG} has {job.recipe.steps} steps; "
                f"mend it, or start a new run"
            )
        return run, start


def carry_out(folder: Path, job: Job, stop: Stop) -> Iterator[Event]:
    """Start or resume the run in `folder` and see it through: its events, the last of them Failed or Finished.

    Where memory does not suffice for a step, the run goes on from its checkpoint with a recipe that asks for less; that
    is a `Warned`, and the new numbers stand in `config.json`. UserError where the teacher, the checkpoint or the
    machine is at fault, or another process is at work in `folder`. A kill loses what was done in 20 seconds, or in a
    tenth of the run where that is less.
    """
    began = time.perf_counter()
    with blamed_on_machine(folder), alone(folder / CONFIG):
        teacher = None
        if job.teacher is not None:
            with blamed_on_input():
                teacher = open_teacher(job.teacher, device_of(job.loading), job.loading)
        told = ""
        while True:
            attempt = _Attempt(folder, job, teacher, stop, began, told)
            try:
                yield from attempt.events()
                return
            except CheckpointError as error:
                raise UserError(one_line(error)) from error
            except Exception as error:
                together = teacher.cameras.together if teacher is not None and teacher.cameras is not None else 1
                less = lighter(job.recipe, together) if is_out_of_memory(error) and not attempt.stepped_all else None
                if less is None:
                    raise
            job, told = replace(job, recipe=less.recipe), less.told  # here the failed step's tensors are free
            write_atomically(folder / CONFIG, job.to_json().encode())
            forget()


@dataclass(eq=False)
class _Attempt:
    """One try at the rest of a run; `told` is what was made lighter after the last one ran out of memory."""

    folder: Path
    job: Job
    teacher: Teacher | None
    stop: Stop
    began: float
    told: str
    stepped_all: bool = False

    def events(self) -> Iterator[Event]:
        folder, steps = self.folder, self.job.recipe.steps
        every = max(10, steps // 10)
        run, start = open_run(folder, self.job, self.teacher)
        ready = time.perf_counter() - self.began
        if self.told:
            yield note_lighter(folder / EVENTS, start, self.told)
        pace = Pace(save_every=every, preview_every=every)
        for event in optimize(run, steps=steps, out=folder, start=start, stop=self.stop, pace=pace):
            if isinstance(event, Finished) and not event.stopped:
                write_atomically(folder / RESULTS, _summary(folder, self.job, ready, event).encode())
            self.stepped_all |= isinstance(event, Stepped) and event.step == steps
            yield event


def _summary(folder: Path, job: Job, ready: float, end: Finished) -> str:
    """The text of `run.json`. Seconds: `start` opened the teacher and built the run and, like `export`, is of
    the last session; `steps` is of all."""
    lines = (folder / EVENTS).read_text(encoding="utf-8").splitlines()
    events = [from_line(line) for line in lines]
    stepping = sum(e.seconds for e in events if isinstance(e, Stepped))
    reduced = told_lighter(events)
    summary: dict[str, Any] = {
        "seed": job.recipe.seed,
        "teacher": job.teacher,
        "steps": job.recipe.steps,
        "seconds": {"start": round(ready, 3), "steps": round(stepping, 3), "export": round(end.seconds, 3)},
        "results": dict(end.results),
        **({"reduced_for_memory": reduced} if reduced else {}),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return json.dumps(summary, indent=2) + "\n"
