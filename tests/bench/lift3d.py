"""Where the time of text to 3D goes: `python -m tests.bench.lift3d`. Quiet machine, caches warm.

The split of a step at the final stage (everything beside the teacher's forward pass is compared with it), and whole
`scorelift generate` processes from start to exported mesh, with their peak memory.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from app.presets import find
from app.runs import open_teacher
from distill.recipes.lift3d import Lift3DRun
from guidance.teacher import Guided
from tests.bench.record import record

PROMPT = "a red mushroom with a white stem"
WARM, TIMED = 20, 60
PARTS = ("teacher", "render", "backward", "optimizer", "refresh", "rest")


class Clock:
    """Adds up seconds by name; `wrap` puts a function on the clock, inner ones are not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            started = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent = time.perf_counter() - started
                self.seconds[name] += spent - self._inner.pop()
                self._inner[-1] += spent

        return timed


def split(run: Lift3DRun, steps: int, clock: Clock) -> dict[str, float]:
    """Milliseconds a step, by part, over TIMED steps of the final stage."""
    network = run._guided.teacher
    run.scene.render = clock.wrap("render", run.scene.render)  # pyright: ignore[reportAttributeAccessIssue]
    run.scene.refresh = clock.wrap("refresh", run.scene.refresh)  # pyright: ignore[reportAttributeAccessIssue]
    run.optimizer.step = clock.wrap("optimizer", run.optimizer.step)  # pyright: ignore[reportAttributeAccessIssue]
    backward = torch.Tensor.backward
    torch.Tensor.backward = clock.wrap("backward", backward)
    type(network).__call__ = clock.wrap("teacher", type(network).__call__)
    step = clock.wrap("rest", run.step)
    for index in range(steps - TIMED - WARM, steps - TIMED):
        run.step(index)
    clock.seconds.clear()
    for index in range(steps - TIMED, steps):
        step(index)
    torch.Tensor.backward = backward
    return {name: clock.seconds[name] / TIMED * 1e3 for name in PARTS}


def whole(quality: str) -> tuple[float, float]:
    """Wall seconds and peak MB of one `scorelift generate` process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "app", "generate", PROMPT, "--quality", quality, "--out", f"{folder}/run"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    recipe = find("standard")(PROMPT, 0)
    teacher = open_teacher("embedded", torch.device("cpu"))
    run = recipe.build(teacher, torch.device("cpu"))
    assert isinstance(run._guided, Guided)
    for index in range(recipe.steps - TIMED - WARM):
        run.step(index)
    parts = split(run, recipe.steps, Clock())
    teacher_ms = parts["teacher"]
    rows = [{"part": name, "ms_per_step": ms, "over_teacher": ms / teacher_ms} for name, ms in parts.items()]
    others = sum(parts.values()) - parts["teacher"]
    facts: dict[str, float] = {
        "teacher_ms_per_picture": parts["teacher"] / (2 * recipe.views),
        "everything_else_over_teacher": others / parts["teacher"],
    }
    whole("draft")  # fills the caches
    for quality in ("draft", "standard"):
        seconds, megabytes = whole(quality)
        facts |= {f"{quality}_seconds": seconds, f"peak_mb_up_to_{quality}": megabytes}
    print(parts, facts)
    record("lift3d", rows, seed=0, title="Text to 3D: where the time goes", facts=facts)


if __name__ == "__main__":
    main()
