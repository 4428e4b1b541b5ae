"""`scorelift train`: its flags are the fields of the recipe, so this file needs torch and is loaded only when asked."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, arg

from app import runs
from app.errors import blamed_on_input
from app.work import start
from distill.recipes.denoiser import Denoiser


@dataclass(frozen=True)
class Train:
    """Train a teacher on the catalog, or on a folder of captioned pictures.

    The run's folder gets the teacher; `scorelift generate --teacher RUN/teacher` uses it.
    """

    recipe: OmitArgPrefixes[Denoiser]
    out: Annotated[str | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/teacher-DATA-SEED)")] = None
    """Folder of the run; new or empty."""

    def __call__(self) -> int:
        places = {name: _absolute(getattr(self.recipe, name)) for name in ("data", "cache", "start_from")}
        with blamed_on_input():
            job = runs.Job(replace(self.recipe, **places), None)
        name = f"teacher-{runs.slug(Path(self.recipe.data).name)}-{self.recipe.seed}"
        return start(job, self.out, name)


def _absolute(place: str) -> str:
    """A folder's full path, so that the run can be resumed from anywhere; not a folder: as it is."""
    return place if place in ("", "catalog") else str(Path(place).absolute())
