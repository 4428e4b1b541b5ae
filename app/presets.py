"""Quality presets: named recipes as functions. Numbers only; what they mean stands in `distill.recipes.lift3d`."""

from collections.abc import Callable
from dataclasses import replace

from app.checkpoints import family_of
from app.errors import UserError
from app.teachers import oracle_side
from distill.recipes.lift3d import Lift3D
from guidance import objectives
from guidance.objectives.sds import SDS
from guidance.teachers.families import Family
from guidance.teachers.loading import USUAL, Loading
from guidance.times import Times
from nerf.encoding import HashGrid

Preset = Callable[[str, int], Lift3D]


def draft(prompt: str, seed: int) -> Lift3D:
    """A first look."""
    return Lift3D(prompt, seed, steps=200, mesh_resolution=96, faces=10_000, texture=512, turntable=36)


def standard(prompt: str, seed: int) -> Lift3D:
    """What the recipe's defaults were chosen for."""
    return Lift3D(prompt, seed)


def high(prompt: str, seed: int) -> Lift3D:
    """More views and steps, finer surface, larger texture."""
    return Lift3D(prompt, seed, steps=1200, views=8, mesh_resolution=192, faces=50_000, texture=2048, turntable=120)


def test(prompt: str, seed: int) -> Lift3D:
    """For the test suite, with the oracle: everything happens, nothing takes time."""
    return Lift3D(
        prompt,
        seed,
        steps=20,
        views=2,
        resolutions=(16,),
        grid=HashGrid(log2_size=12),
        mesh_resolution=32,
        faces=400,
        texture=64,
        turntable=4,
    )


PRESETS: dict[str, Preset] = {"draft": draft, "standard": standard, "high": high}
HIDDEN: dict[str, Preset] = {"test": test}


def find(quality: str) -> Preset:
    """The preset of that name. UserError names the known ones."""
    try:
        return (PRESETS | HIDDEN)[quality]
    except KeyError:
        raise UserError(f"unknown quality {quality!r}; known: {', '.join(PRESETS)}") from None


def asked_for(
    prompt: str,
    seed: int,
    quality: str,
    teacher: str,
    *,
    steps: int | None = None,
    objective: str | None = None,
    guidance: float | None = None,
    loading: Loading = USUAL,
) -> Lift3D:
    """The recipe of a prompt with the teacher called `teacher`: the preset, and what a command overrides of it.

    UserError or ValueError, in one line, where a value is unknown or impossible.
    """
    exact = 1.0 if oracle_side(teacher) else None  # what knows the truth needs no push past it
    family = family_of(teacher, loading)
    recipe = find(quality)(prompt, seed)
    recipe = recipe if family is None else suited(recipe, family)
    return changed(recipe, steps, objective, exact if guidance is None else guidance)


def suited(recipe: Lift3D, family: Family) -> Lift3D:
    """`recipe` for a checkpoint of `family`: objective, scale and times of the literature that distills such models,
    twice the pixels, and as many views as it looks at together. Starting points: nobody measured them here."""
    objective = SDS(family.weighting, family.rescale)
    return replace(
        recipe,
        objective=objective,
        guidance=family.guidance,
        times=Times(low=0.02, high=0.98, final_high=0.5, anneal=(0.2, 0.8)),
        views=-(-recipe.views // family.together) * family.together,
        resolutions=tuple(2 * side for side in recipe.resolutions),
    )


def changed(
    recipe: Lift3D, steps: int | None = None, objective: str | None = None, guidance: float | None = None
) -> Lift3D:
    """`recipe` with what the command line overrides. ValueError, in one line, where a value is impossible."""
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if guidance is not None:
        recipe = replace(recipe, guidance=guidance)
    if objective is not None:
        kind = objectives.load(objective)
        if not isinstance(recipe.objective, kind):  # the recipe's own settings stay where the method does
            recipe = replace(recipe, objective=kind())
    return recipe
