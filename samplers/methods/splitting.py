"""Splitting of guidance."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self, cast

from torch import Tensor

from samplers.adams import bashforth, shift, transfer
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, SplitDenoiser, Step


@dataclass(frozen=True)
class Splitting:
    """LTSP and STSP, Wizadwongsa and Suwajanakorn 2023, 2301.11558, algorithms 2 and 3: the noise of the null side and
    the guidance on top of it are stepped one after the other (Lie-Trotter), or with guidance in two halves (Strang).

    form: "ltsp" or "stsp". memory: noise predictions that the step of the null side uses (Adams-Bashforth over the
    DDIM transfer); guidance takes Euler steps.

    Needs a `SplitDenoiser`; its guidance must be null + scale (cond - null), and the scale is read off its first
    prediction. The gain is stability at large steps under strong guidance, not order: the two sub-steps do not commute
    and past predictions belong to the whole flow, so both forms are of order 1. The last step, to sigma = 0, and one
    from alpha = 0 take the guided denoised sample.
    """

    form: Literal["ltsp", "stsp"] = "stsp"
    memory: Literal[1, 2, 3, 4] = 4

    @property
    def order(self) -> int:
        return 1

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(form="ltsp"), cls(), cls(form="ltsp", memory=1), cls(memory=1)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """Both sides count one: two a step (LTSP) or three (STSP), one on a step that ends at sigma = 0 or starts at
        alpha = 0, and one to learn the scale."""
        full = 2 if self.form == "ltsp" else 3
        return 1 + sum(full if s.alpha > 0 and t.sigma > 0 else 1 for s, t in pairwise(nodes(schedule, grid)))

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        if not hasattr(denoise, "parts"):
            raise ValueError(
                "splitting needs guidance whose two sides it can see; use another sampler without guidance"
            )
        split = cast(SplitDenoiser, denoise)
        path, history, scale = nodes(schedule, grid), list[Tensor](), None
        for s, t in pairwise(path):
            null, cond = split.parts(x, s.clock)
            if scale is None:
                scale = scale_of(denoise(x, s.clock), null, cond)
            x0 = null.mix(cond, scale).x0
            if s.alpha == 0 or t.sigma == 0:
                x = transfer(x, x0, s, t)
            else:
                if self.form == "stsp":
                    x = _guided(x, null, cond, scale / 2, s, t)
                    null, _ = split.parts(x, s.clock)
                history = [null.eps, *history][: self.memory]
                x = shift(x, bashforth(history), s, t)
                x = _guided(x, *split.parts(x, t.clock), scale if self.form == "ltsp" else scale / 2, s, t)
            yield Step(s.t, t.t, x, x0)


def _guided(x: Tensor, null: Prediction, cond: Prediction, scale: float, s: Node, t: Node) -> Tensor:
    """The step of guidance alone: x / alpha moves, whichever of the two nodes x is at."""
    change = t.sigma / t.alpha - s.sigma / s.alpha
    return x + float(null.alpha.flatten()[0]) * change * scale * (cond.eps - null.eps)


def scale_of(guided: Prediction, null: Prediction, cond: Prediction) -> float:
    """The scale of guided = null + scale (cond - null); 1 where the sides agree. ValueError where it is no such mix."""
    apart, toward = (guided.eps - null.eps).detach(), (cond.eps - null.eps).detach()
    square = float(toward.square().sum())
    if square == 0:
        return 1.0
    scale = float((apart * toward).sum()) / square
    if float((apart - scale * toward).square().sum()) > 1e-4 * float(apart.square().sum()):
        raise ValueError("splitting knows only null + scale (cond - null): leave negative prompts with weights out")
    return scale
