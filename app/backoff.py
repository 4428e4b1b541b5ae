"""What to ask less of where memory does not suffice: fewer views, then fewer samples, then fewer pixels."""

import gc
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from distill.engine import Recipe
from distill.events import Event, Warned, to_line
from distill.recipes.lift3d import Lift3D

PROBLEM = "out of memory"
LONGEST_STEP = 0.1  # between samples on a ray: a field is coarse beyond it
FEWEST_PIXELS = 16


@dataclass(frozen=True)
class Lighter:
    """A recipe that needs less memory, and what was changed, in words."""

    recipe: Lift3D
    told: str


def lighter(recipe: Recipe, together: int = 1) -> Lighter | None:
    """The next lighter recipe; None where there is nothing left to give up, or the recipe is of another kind.

    together: views that the teacher looks at jointly; their number stays a multiple of it.
    """
    if not isinstance(recipe, Lift3D):
        return None
    if recipe.views >= 2 * together:
        views = recipe.views // 2 // together * together
        return Lighter(replace(recipe, views=views), f"{views} views a step, not {recipe.views}")
    if recipe.ray_step * 2 <= LONGEST_STEP:
        step = recipe.ray_step * 2
        return Lighter(replace(recipe, ray_step=step), f"samples {step:g} apart, not {recipe.ray_step:g}")
    if max(recipe.resolutions) > FEWEST_PIXELS:
        sides = tuple(max(side // 2, min(side, FEWEST_PIXELS)) for side in recipe.resolutions)
        return Lighter(
            replace(recipe, resolutions=sides), f"pictures of {_list(sides)} pixels, not {_list(recipe.resolutions)}"
        )
    return None


def note_lighter(log: Path, step: int, told: str) -> Warned:
    """The event that says so, written to the run's log as well."""
    event = Warned(step, PROBLEM, f"went on with {told}", True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(to_line(event) + "\n")
    return event


def told_lighter(events: Iterable[Event]) -> list[str]:
    """What a run gave up, from its events."""
    return [e.remedy for e in events if isinstance(e, Warned) and e.problem == PROBLEM]


def forget() -> None:
    """Give back what a failed step held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _list(sides: tuple[int, ...]) -> str:
    return ", ".join(map(str, sides))
