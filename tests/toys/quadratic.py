"""A recipe small enough for tests of the engine and the command line: noisy descent to a fixed point.

`tests.conftest` puts this folder on the path of `distill.recipes`, so files name it like any other recipe.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill.checkpoint import require_keys
from distill.engine import RunFailed
from distill.events import Warned
from guidance.teacher import Teacher


@dataclass(frozen=True)
class Quadratic:
    """Descend |x - 1|^2 with noise.

    warn_at, give_up_at, break_at: steps at which a check warns, the run gives up, a defect shows; -1 never.
    pause: seconds to sleep in every step.
    """

    steps: int = 20
    seed: int = 0
    size: int = 12
    warn_at: int = -1
    give_up_at: int = -1
    break_at: int = -1
    pause: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")

    def build(self, teacher: Teacher | None, device: torch.device, /) -> "Descent":
        return Descent(self, device)


class Descent:
    def __init__(self, recipe: Quadratic, device: torch.device) -> None:
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.x = torch.randn(recipe.size, generator=self.generator).to(device).requires_grad_()
        self.optimizer = torch.optim.Adam([self.x], lr=0.05)

    def step(self, index: int, /) -> Mapping[str, float | Warned]:
        time.sleep(self.recipe.pause)
        if index == self.recipe.give_up_at:
            raise RunFailed("the loss is not finite; lower the learning rate")
        if index == self.recipe.break_at:
            raise RuntimeError("a defect\nof two lines")
        self.optimizer.zero_grad()
        loss = ((self.x - 1 + 0.1 * torch.randn(self.recipe.size, generator=self.generator)) ** 2).sum()
        loss.backward()
        self.optimizer.step()
        report: dict[str, float | Warned] = {"loss": loss.item()}
        if index == self.recipe.warn_at:
            report["size"] = Warned(index + 1, "x is small", "nothing", False)
        return report

    def preview(self) -> Tensor:
        return self.x.detach().reshape(3, 2, -1)

    def state_dict(self) -> dict[str, Any]:
        return {"x": self.x.detach(), "optimizer": self.optimizer.state_dict(), "rng": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        require_keys(state, {"x", "optimizer", "rng"}, "the descent")
        with torch.no_grad():
            self.x.copy_(state["x"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["rng"])

    def export(self, folder: Path, /) -> dict[str, Any]:
        (folder / "x.txt").write_text(" ".join(v.hex() for v in self.x.tolist()))
        return {"distance": (self.x - 1).norm().item()}
