"""`scorelift sample` and `scorelift samplers`: pictures from a teacher, by any sampler.

What needs torch is imported inside the calls, so that help and mistakes in names answer at once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

import samplers
from app.errors import UserError, blamed_on_input
from app.teachers import card_of, check, oracle_side

GRIDS = ("uniform", "quadratic", "lambda", "karras", "leading", "trailing", "linspace", "dynamic_programming")


@dataclass(frozen=True)
class Sample:
    """Draw pictures of a prompt from a teacher, to see what it knows.

    The folder gets every picture, all of them on one sheet, and sample.json: the settings, network evaluations, timing.
    """

    prompt: Annotated[Positional[str], arg(metavar="PROMPT")]
    """What to draw, for example "a red mushroom with a white stem"."""
    teacher: Annotated[str, arg(metavar="NAME")] = "embedded"
    """A name or a folder; `scorelift teachers` lists them."""
    sampler: Annotated[str, arg(metavar="NAME")] = "dpmpp"
    """`scorelift samplers` lists them."""
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")] = ()
    """A setting of the sampler; give --set once for each."""
    steps: int = 16
    """Steps of the sampler."""
    count: int = 8
    """Pictures to draw."""
    grid: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: karras where noise explodes)")] = None
    """How the steps are spread: uniform, quadratic, lambda (the default), karras, leading, trailing, linspace or
    dynamic_programming."""
    guidance: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: 2; 1 for the oracle)")] = None
    """Scale of classifier-free guidance: higher follows the prompt harder; 1 is off."""
    seed: int = 0
    """Same seed, same noise, whatever the sampler and its steps."""
    azimuth_deg: Annotated[
        float | None, arg(name="azimuth", metavar="DEGREES", help_behavior_hint="(default: all around)")
    ] = None
    """Where the camera stands, 0 in front; for teachers that take a camera."""
    elevation_deg: Annotated[
        float | None, arg(name="elevation", metavar="DEGREES", help_behavior_hint="(default: 20)")
    ] = None
    """How high the camera stands; for teachers that take a camera."""
    out: Annotated[str | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/samples-PROMPT-SEED)")] = None
    """Folder for the pictures; new or empty."""

    def __call__(self) -> int:
        self._refuse_impossible()
        with blamed_on_input():
            name = check(self.teacher, self.prompt)
        card = card_of(name)
        refuse_misfits(self.sampler, self.teacher, card)
        for flag, value in (("azimuth", self.azimuth_deg), ("elevation", self.elevation_deg)):
            if value is not None and not card.get("cameras"):
                raise UserError(f"the teacher {self.teacher} takes no camera; leave --{flag} out")

        from app.sampling import draw

        usual = 1.0 if oracle_side(name) else 2.0
        return draw(self, name, usual if self.guidance is None else self.guidance)

    def _refuse_impossible(self) -> None:
        if not self.prompt.strip():
            raise UserError('the prompt is empty: name a thing, for example "a red mushroom"')
        refuse_unknown("sampler", self.sampler, samplers.names())
        if self.grid is not None:
            refuse_unknown("grid", self.grid, GRIDS)
        for flag, value in (("steps", self.steps), ("count", self.count)):
            if value < 1:
                raise UserError(f"{flag} must be at least 1, got {value}")
        for flag, value in (
            ("guidance", self.guidance),
            ("azimuth", self.azimuth_deg),
            ("elevation", self.elevation_deg),
        ):
            if value is not None and not math.isfinite(value):
                raise UserError(f"{flag} must be a finite number, got {value}")
        if not -(2**63) <= self.seed < 2**63:
            raise UserError(f"seed must be a whole number of 64 bits, got {self.seed}")


@dataclass(frozen=True)
class Samplers:
    """List the samplers that --sampler takes: order of convergence, network calls a step, noise, paper, settings."""

    def __call__(self) -> int:
        from app.sampler_list import lines

        for line in lines():
            print(line)
        return 0


def refuse_unknown(kind: str, name: str, known: "list[str] | tuple[str, ...]") -> None:
    """UserError with the known names where `name` is none of them."""
    if name not in known:
        raise UserError(f"unknown {kind} {name!r}; known: {', '.join(known)}")


def refuse_misfits(sampler: str, teacher: str, card: Mapping[str, Any]) -> None:
    """UserError where a teacher's card says that it cannot be sampled so."""
    if "sample" not in card.get("valid_for", ("sample",)):
        raise UserError(f"the teacher {teacher} is not made for sampling, says its card; choose another teacher")
    wanted = card.get("sampler")
    if wanted and sampler != wanted:
        raise UserError(f"the teacher {teacher} answers to one sampler only, says its card: --sampler {wanted}")
    if sampler == "consistency" and not wanted:
        raise UserError(
            f"the teacher {teacher} is no consistency model, and would lose detail in every step of it; choose among: "
            f"{', '.join(n for n in samplers.names() if n != sampler)}"
        )
    if sampler == "learned_variance" and not card.get("variance"):
        raise UserError(
            f"the teacher {teacher} has no head that knows variances; train one, or take --sampler analytic_dpm"
        )
