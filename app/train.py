"""`scorelift train`: its flags are the fields of the recipe, so this file needs torch and is loaded only when asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, arg

from app import runs
from app.work import carry_out
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
        job = runs.Job(self.recipe, None)
        name = f"teacher-{runs.slug(Path(self.recipe.data).name)}-{self.recipe.seed}"
        return carry_out(runs.claim(job, self.out, name), job)
