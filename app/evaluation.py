"""What an evaluation of assets asks for, and all that its figures depend on."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app import presets
from app.checkpoints import folder_of
from app.provenance import code_digest, folder_digest, versions
from app.teachers import oracle_side
from distill.recipe_json import recipe_to_json
from distill.recipes.lift3d import Lift3D
from guidance.teachers.embedded import embedded_folder
from guidance.teachers.loading import USUAL


@dataclass(frozen=True)
class Evaluation:
    """Every prompt with every seed from 0 to `seeds` - 1. `guidance` None: the quality's, and off for an oracle.

    ValueError or UserError, in one line, where a setting is impossible.
    """

    prompts: tuple[str, ...]
    seeds: int = 1
    quality: str = "standard"
    teacher: str = "embedded"
    guidance: float | None = None

    def __post_init__(self) -> None:
        if not self.prompts:
            raise ValueError("an evaluation needs at least one prompt")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        self.recipe(self.prompts[0], 0)

    def plan(self) -> list[tuple[str, int]]:
        """(prompt, seed) of every asset, in order."""
        return [(prompt, seed) for prompt in self.prompts for seed in range(self.seeds)]

    def recipe(self, prompt: str, seed: int) -> Lift3D:
        """What makes the asset: as `generate` would, but without a video."""
        made = presets.asked_for(prompt, seed, self.quality, self.teacher, guidance=self.guidance)
        return replace(made, turntable=0)

    def settings(self) -> dict[str, Any]:
        """All that a figure depends on beside prompt and seed, ready for JSON."""
        recipe = json.loads(recipe_to_json(self.recipe(self.prompts[0], 0)))
        own = embedded_folder() if self.teacher == "embedded" else Path(self.teacher)
        checkpoint = folder_of(self.teacher, USUAL)
        inside = sorted(p for p in checkpoint.iterdir() if p.is_dir()) if checkpoint else []
        folders = [checkpoint or own, *inside]
        return {
            "quality": self.quality,
            "teacher": self.teacher,
            "guidance": recipe["guidance"],
            "teacher_digest": None if oracle_side(self.teacher) else " ".join(map(folder_digest, folders)),
            "code": code_digest(),
            "versions": versions(),
            "recipe": {name: value for name, value in recipe.items() if name not in ("prompt", "seed")},
        }
