"""One asset of an evaluation: made as `generate` makes it, scored, and never the end of the others."""

import gc
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from app.errors import UserError, is_out_of_memory, one_line, refusal
from app.memory import forget_peak, peak_mb
from app.runs import slug
from app.score_file import ScoreRow
from distill.engine import RunFailed, never, optimize
from distill.evaluation import Result, score_asset
from distill.events import Event, Failed, Finished, Warned
from distill.files import write_atomically
from distill.recipes.lift3d import Lift3D
from guidance.teacher import Teacher
from guidance.vocabulary import load_vocabulary
from nerf.mesh_load import load

Watch = Callable[[Iterable[Event], int], Failed | Finished]


def last_of(events: Iterable[Event], steps: int) -> Failed | Finished:
    """A run's last event: the `Watch` that shows nothing."""
    *_, last = events
    assert isinstance(last, Failed | Finished)
    return last


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes assets with one teacher on one device and puts their meshes into a folder."""

    teacher: Teacher
    device: torch.device
    meshes: Path
    watch: Watch = last_of
    stop: Callable[[], bool] = never

    def attempt(self, recipe: Lift3D) -> ScoreRow | None:
        """The row of one asset, made or failed; None where it was stopped.

        A defect's traceback lies beside the meshes. UserError where the disk refuses: the next asset would fail too.
        """
        name = f"{slug(recipe.prompt)}-{sha256(recipe.prompt.encode()).hexdigest()[:6]}-{recipe.seed}"
        log = self.meshes / f"{name}.log"
        log.unlink(missing_ok=True)
        gc.collect()  # the run before this one
        forget_peak()
        began = time.perf_counter()
        try:
            return self._made(recipe, self.meshes / f"{name}.glb", began)
        except RunFailed as error:
            reason = one_line(error)
        except Exception as error:
            refused = refusal(error)
            if refused:
                raise UserError(f"{refused}, then run the same command again") from error
            log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
            told = "out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {one_line(error)}"
            reason = f"{told} (traceback in {log.name})"
        result = Result(recipe.prompt, recipe.seed, None, reason)
        return ScoreRow(result, round(time.perf_counter() - began, 2), peak_mb())

    def _made(self, recipe: Lift3D, path: Path, began: float) -> ScoreRow | None:
        warnings = 0

        def counted(events: Iterable[Event]) -> Iterator[Event]:
            nonlocal warnings
            for event in events:
                warnings += isinstance(event, Warned)
                yield event

        with tempfile.TemporaryDirectory() as scratch:
            run = recipe.build(self.teacher, self.device)
            events = optimize(run, steps=recipe.steps, out=Path(scratch), stop=self.stop)
            end = self.watch(counted(events), recipe.steps)
            seconds, peak = time.perf_counter() - began, peak_mb()
            if isinstance(end, Failed):
                raise RunFailed(end.message)
            if end.stopped:
                return None
            data = (Path(scratch) / "mesh.glb").read_bytes()
        write_atomically(path, data)
        score = score_asset(load(path), load_vocabulary().parse(recipe.prompt))
        result = Result(recipe.prompt, recipe.seed, score)
        digest = sha256(data).hexdigest()
        return ScoreRow(result, round(seconds, 2), peak, int(end.results["faces"]), warnings, path.name, digest)
