"""Health checks of a field in the making: what goes wrong in score distillation, noticed early and in plain words.

Each check warns with a remedy and applies it where it can; where going on is useless the run ends with a clear line.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from distill.checkpoint import require_keys
from distill.events import Warned
from nerf.field import HashField
from nerf.render import Picture

PATIENCE = 10  # steps in a row that an ailment must last
EMPTY, FULL = 0.004, 0.85  # mean opacity of the pictures
GLARE = 0.6  # share of the visible colors at the ends of their range
GRACE = 50  # steps before color and shape are judged
NAMES = {"skipped", "empty", "full", "glare", "revived", "thin", "norms", "glared"}


@dataclass(frozen=True)
class Ailment:
    """What one look found: sound = the step may be applied; a warning to report; fatal = why the run must end."""

    sound: bool = True
    warning: Warned | None = None
    fatal: str = ""


def gradients_of(field: HashField) -> list[Tensor]:
    return [p.grad for p in field.parameters() if p.grad is not None]


class Health:
    """Watches a run; `thin` is the factor on the sparsity weight that the checks chose."""

    def __init__(self) -> None:
        self.skipped = self.empty = self.full = self.glare = self.revived = 0
        self.glared = False
        self.thin = 1.0
        self.norms: deque[float] = deque(maxlen=50)

    def examine(self, index: int, field: HashField, picture: Picture, norm: float) -> Ailment:
        """Look at the `norm` of the gradient and at the `picture` of step `index`, and mend what can be mended."""
        if not math.isfinite(norm):
            return self._skip(index)
        self.skipped = 0
        opacity = float(picture.opacity.detach().mean())
        self.empty = self.empty + 1 if opacity < EMPTY else 0
        self.full = self.full + 1 if opacity > FULL else 0
        if self.empty >= PATIENCE:
            return self._revive(index, field)
        if index < GRACE:
            return Ailment()
        if self.full >= PATIENCE:
            self.full, self.thin = 0, self.thin * 3
            return self._warn(index, "the object fills the pictures", "raised the sparsity weight threefold", True)
        return self._look_at_colors(index, picture)

    def _skip(self, index: int) -> Ailment:
        self.skipped += 1
        if self.skipped >= PATIENCE:
            return Ailment(
                False,
                fatal=f"the gradient was not finite for {PATIENCE} steps in a row; "
                "lower the guidance scale or the learning rates and start again",
            )
        return Ailment(False, self._warn(index, "the gradient is not finite", "skipped the step", True).warning)

    def _revive(self, index: int, field: HashField) -> Ailment:
        self.empty = 0
        self.revived += 1
        if self.revived > 2:
            return Ailment(
                fatal="the object vanished three times; name a plainer prompt, raise the guidance scale, "
                "or lower the sparsity weight"
            )
        with torch.no_grad():
            field.out_bias[0] += 3.0
        self.thin *= 0.3
        return self._warn(index, "the object is vanishing", "raised the density, lowered the sparsity weight", True)

    def _look_at_colors(self, index: int, picture: Picture) -> Ailment:
        seen = picture.opacity.detach()[:, 0] > 0.5
        if self.glared or not bool(seen.any()):
            return Ailment()
        colors = picture.rgb.detach().movedim(1, -1)[seen]
        ends = ((colors < 0.01) | (colors > 0.99)).all(-1).float().mean()
        self.glare = self.glare + 1 if float(ends) > GLARE else 0
        if self.glare < PATIENCE:
            return Ailment()
        self.glared = True
        return self._warn(index, "the colors are saturated", "a lower guidance scale gives softer colors", False)

    def _warn(self, index: int, problem: str, remedy: str, applied: bool) -> Ailment:
        return Ailment(warning=Warned(index + 1, problem, remedy, applied))

    def clip(self, field: HashField, most: float, norm: float) -> None:
        """Scale the gradient, of this `norm`, down to `most` times the median of the last norms."""
        usual = sorted(self.norms)[len(self.norms) // 2] if self.norms else norm
        self.norms.append(norm)
        if norm > most * usual > 0:
            scale = most * usual / norm
            for gradient in gradients_of(field):
                gradient.mul_(scale)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NAMES - {"norms"}} | {"norms": list(self.norms)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require_keys(state, NAMES, "the health record")
        for name in NAMES - {"norms"}:
            setattr(self, name, state[name])
        self.norms = deque(state["norms"], maxlen=50)
