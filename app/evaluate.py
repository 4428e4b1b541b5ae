"""`scorelift evaluate`: assets against the catalog's exact shapes, and teachers by what they denoise."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from app.errors import UserError, blamed_on_input
from app.prompt_file import read_prompts
from app.teachers import find_trained, usual

OF_TEACHERS = ("count", "seed")
OF_ASSETS = ("seeds", "sheet", "meshes", "quality", "teacher", "guidance")


@dataclass(frozen=True)
class Evaluate:
    """Score assets against the exact shapes that their prompts name, or a teacher by what it denoises.

    With --prompts: makes every prompt with every seed and scores the mesh as it was written: no alignment, no threshold
    search. Stopped or killed, the same command goes on where it was. A prompt that fails counts as 0 in IoU and
    F-score, with its reason.

    With TEACHER: the error of denoising held-out pictures of the catalog, told the truth, a wrong azimuth, or nothing.
    """

    target: Annotated[Positional[str | None], arg(metavar="TEACHER", help_behavior_hint="(or --prompts)")] = None
    """A teacher's name or folder, or the run that trained it."""
    prompts: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(or TEACHER)")] = None
    """Prompts, one a line; blank lines and what follows a # are skipped."""
    seeds: int = 1
    """How many assets to make of a prompt, with the seeds 0, 1, ..."""
    json: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(needed with --prompts)")] = None
    """Where the scores go; they are there after every asset."""
    sheet: Annotated[Path | None, arg(metavar="PNG", help_behavior_hint="(default: none)")] = None
    """Where a picture goes of every asset from four sides beside its truth."""
    meshes: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: beside --json)")] = None
    """Where the meshes go."""
    quality: Annotated[str, arg(metavar="{draft,standard,high}")] = "standard"
    """How long to work on an asset."""
    teacher: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: embedded)")] = None
    """Who guides the assets: a name or a folder; `scorelift teachers` lists them."""
    guidance: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: the quality's)")] = None
    """Scale of classifier-free guidance; 1 is off."""
    count: int = 256
    """Pictures for the error of a teacher."""
    seed: int = 0
    """Of those pictures and their noise."""

    def __call__(self) -> int:
        if (self.target is None) == (self.prompts is None):
            raise UserError("give either a TEACHER, or --prompts FILE")
        of, strange = ("a TEACHER", OF_ASSETS) if self.target is not None else ("--prompts", OF_TEACHERS)
        for field in fields(self):
            if field.name in strange and getattr(self, field.name) != field.default:
                raise UserError(f"--{field.name} says nothing about {of}; leave it out")
        if self.target is not None:
            with blamed_on_input():
                name = find_trained(self.target)
            from app.teacher_scores import score_teacher

            return score_teacher(name, self.count, self.seed, self.json)
        if self.json is None:
            raise UserError("name the file for the scores: --json FILE")
        assert self.prompts is not None
        with blamed_on_input():
            prompts, teacher = read_prompts(self.prompts, usual(self.quality) if self.teacher is None else self.teacher)

        from app.asset_scores import score_assets
        from app.evaluation import Evaluation

        with blamed_on_input():
            evaluation = Evaluation(tuple(prompts), self.seeds, self.quality, teacher, self.guidance)
        meshes = self.json.with_name(f"{self.json.stem}-meshes") if self.meshes is None else self.meshes
        return score_assets(evaluation, self.json, meshes, self.sheet)
