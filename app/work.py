"""Carrying a run out before a person's eyes: progress bar, Ctrl-C, and how it ended."""

import sys
from pathlib import Path

from app import runs
from app.errors import Defect, UserError
from app.progress import show
from app.stopping import stop_on_signals
from distill.events import Failed, Finished


def start(job: runs.Job, out: str | None, name: str) -> int:
    """Carry out a new run in a folder of its own (`runs.claim`); one that could not begin leaves no folder behind."""
    folder = runs.claim(job, out, name)
    try:
        return carry_out(folder, job)
    except UserError:
        runs.release(folder)
        raise


def carry_out(folder: Path, job: runs.Job) -> int:
    """Start or resume the run in `folder`, stoppable by Ctrl-C, and say how it ended; returns the exit code."""
    print(f"run: {folder}", flush=True)
    try:
        with stop_on_signals() as stop:
            end = show(runs.carry_out(folder, job, stop), job.recipe.steps)
    except KeyboardInterrupt:
        print(f"interrupted; go on with: scorelift resume {folder}", file=sys.stderr)
        return 130
    except UserError:
        raise
    except Exception as error:
        raise Defect(folder / runs.ERRORS) from error
    if isinstance(end, Finished) and end.stopped:
        print(f"stopped at step {end.step} of {end.total}; go on with: scorelift resume {folder}", file=sys.stderr)
        return stop.exit_code
    return _report(end)


def _report(end: Failed | Finished) -> int:
    if isinstance(end, Failed):
        print(f"scorelift: gave up: {' '.join(end.message.split())}", file=sys.stderr)
        return 1
    for name, value in end.results.items():
        print(f"{name}: {f'{value:.4g}' if isinstance(value, float) else value}")
    return 0
