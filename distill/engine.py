"""The engine: drives any run step by step, as a stream of events, with checkpoints and previews on the way.

A run folder, as far as the engine writes it: `checkpoint.pt` and its predecessor, `events.jsonl`, `previews/` and
`preview.png`, the newest of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from distill.checkpoint import Checkpoint, CheckpointError, load, save
from distill.events import Event, Failed, Finished, Previewed, Saved, Stepped, Warned, from_line, to_line
from distill.files import write_atomically
from guidance.teacher import Teacher
from nerf.pictures import save_png

CHECKPOINT, EVENTS, PREVIEWS, PREVIEW = "checkpoint.pt", "events.jsonl", "previews", "preview.png"


class RunFailed(Exception):
    """A run cannot go on, and its message says in one line why and what helps. Not a defect of the program."""


class Run(Protocol):
    """Something that is improved step by step; the only mutable thing of a recipe."""

    def step(self, index: int, /) -> Mapping[str, float | Warned]:
        """Do step `index` (from 0). Scalars to report by name; a health check that spoke reports a `Warned`.

        Raises RunFailed where going on is useless.
        """
        ...

    def preview(self) -> Tensor:
        """The current state as a picture (3, H, W) in [0, 1]. Changes nothing and draws from no generator."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything the next steps depend on, generators included (`Generator.get_state()`), as plain containers."""
        ...

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Take over what `state_dict` gave. Strict: raises where entries are missing, unknown or misshapen."""
        ...

    def export(self, folder: Path, /) -> dict[str, Any]:
        """Write the results into `folder` and return what was measured about them, ready for JSON."""
        ...


class Recipe(Protocol):
    """A frozen dataclass that says everything about a run; `recipe_json` takes it to a file and back."""

    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...

    def build(self, teacher: Teacher | None, device: torch.device, /) -> Run:
        """A fresh run. Recipes that learn from data alone take no teacher."""
        ...


@dataclass(frozen=True)
class Pace:
    """How often a run is saved and pictured.

    save_seconds: seconds between checkpoints, more where that is less than 20 times what writing one takes; the first
        step, the last one and a stop are saved in any case.
    save_every: additionally after every so many steps; 0 never.
    preview_every: a picture after every so many steps and after the last; 0 never.
    """

    save_seconds: float = 20.0
    save_every: int = 0
    preview_every: int = 0


def never() -> bool:
    return False


def optimize(
    run: Run, *, steps: int, out: Path, start: int = 0, stop: Callable[[], bool] = never, pace: Pace = Pace()
) -> Iterator[Event]:
    """Run steps `start` .. `steps` - 1, then export into `out`, and yield what happens; every event is also a line of
    `out/events.jsonl`.

    `stop` is asked before every step; where it says yes, the state is saved, nothing is exported, and the last event,
    `Finished`, says how far it came. A run that gives up (RunFailed) ends with `Failed` instead, and its last
    checkpoint stays. Any other error is noted in the file as `Failed` and raised, so that a crash never reads as an
    end.

    `start` is what `restore` returned, 0 for a fresh run. Results do not depend on `pace`, nor on how often the run
    was interrupted.
    """
    if not 0 <= start <= steps:
        raise ValueError(f"cannot start at step {start} of {steps}")
    (out / PREVIEWS).mkdir(parents=True, exist_ok=True)
    _trim(out / EVENTS, start)
    with open(out / EVENTS, "a", encoding="utf-8") as log:

        def note(event: Event) -> Event:
            log.write(to_line(event) + "\n")
            log.flush()
            return event

        try:
            for event in _drive(run, steps, out, start, stop, pace):
                yield note(event)
        except RunFailed as error:
            yield note(Failed(str(error)))
        except Exception as error:
            _note_crash(note, error)
            raise


def restore(run: Run, out: Path) -> int:
    """Bring `run` to the state of the checkpoint in the folder `out`; returns the step to start at.

    CheckpointError, in one line, where there is no checkpoint, it is damaged, or it belongs to another recipe.
    """
    checkpoint = load(out / CHECKPOINT)
    try:
        run.load_state_dict(checkpoint.state)
    except CheckpointError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"the checkpoint in {out} does not fit its recipe: {reason}") from error
    return checkpoint.step


def _drive(run: Run, steps: int, out: Path, start: int, stop: Callable[[], bool], pace: Pace) -> Iterator[Event]:
    done, saved, next_save = start, start if start else -1, 0.0
    while done < steps and not stop():
        began = time.perf_counter()
        report = run.step(done)
        seconds = time.perf_counter() - began
        done += 1
        scalars = {name: float(value) for name, value in report.items() if not isinstance(value, Warned)}
        yield Stepped(done, steps, scalars, seconds)
        yield from (value for value in report.values() if isinstance(value, Warned))
        if pace.preview_every and (done % pace.preview_every == 0 or done == steps):
            yield _picture(run, out, done)
        due = pace.save_every and done % pace.save_every == 0
        if due or time.monotonic() >= next_save:
            began = time.monotonic()
            written, saved = _save(run, out, done), done
            next_save = time.monotonic() + max(pace.save_seconds, 20 * (time.monotonic() - began))
            yield written
    if saved != done:
        yield _save(run, out, done)
    began = time.perf_counter()
    results = run.export(out) if done == steps else {}
    yield Finished(done, steps, results, time.perf_counter() - began)


def _save(run: Run, out: Path, step: int) -> Saved:
    save(out / CHECKPOINT, Checkpoint(step, run.state_dict()))
    return Saved(step, CHECKPOINT)


def _picture(run: Run, out: Path, step: int) -> Previewed:
    picture, name = run.preview(), f"{PREVIEWS}/{step:06d}.png"
    for path in (name, PREVIEW):
        save_png(out / path, picture)
    return Previewed(step, name)


def _trim(log: Path, start: int) -> None:
    """Drop what an interrupted run noted after the checkpoint that it resumes from, and a line cut by a kill."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            event = from_line(line)
        except ValueError:
            continue
        if not isinstance(event, Failed | Finished) and event.step <= start:
            kept.append(line + "\n")
    write_atomically(log, "".join(kept).encode())


def _note_crash(note: Callable[[Event], Event], error: Exception) -> None:
    try:
        note(Failed(f"{type(error).__name__}: {error}"))
    except OSError:
        pass  # the disk may be what failed; the error itself is what must reach the caller
