"""DPM-Solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor

from samplers.dpm import Form, multistep, singlestep_calls, singlesteps
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class DPMSolver:
    """DPM-Solver-1, 2 and 3, Lu et al. 2022, 2206.00927, algorithms 1 and 2, and its multistep forms 2M and 3M (Lu et
    al. 2022, 2211.01095, appendix A): a polynomial through noise predictions.

    stages: noise predictions in use; 1 is DDIM.
    form: how two of them enter: "midpoint" (the line through them, at the middle of the step) or "exact" (the line
    integrated exactly; "heun" in diffusers). With three stages, "midpoint" takes the line through the first and the
    last, as in algorithm 2, "exact" the parabola through all three.
    multistep: past predictions instead of stages inside the step: one call a step instead of `stages`.
    published: 3M with half the curvature, as in diffusers, which is of order 2.
    taper: in so many last steps of a multistep form, at most as many predictions are used as steps are left.
    """

    stages: Literal[1, 2, 3] = 2
    form: Form = "midpoint"
    multistep: bool = False
    published: bool = False
    taper: int = 0

    @property
    def order(self) -> int:
        return min(self.stages, 2) if self.published and self.multistep else self.stages

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        single = (cls(), cls(form="exact"), cls(stages=1), cls(stages=3), cls(stages=3, form="exact"))
        multi = (cls(multistep=True), cls(form="exact", multistep=True))
        return *single, *multi, cls(stages=3, multistep=True), cls(stages=3, multistep=True, published=True)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """`stages` a step, but one on a step that ends at sigma = 0 or starts at alpha = 0; multistep: one a step."""
        return len(grid) - 1 if self.multistep else singlestep_calls(schedule, grid, self.stages)

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        path, stages, form = nodes(schedule, grid), self.stages, self.form
        if not self.multistep:
            return singlesteps(denoise, schedule, x, path, of="eps", stages=stages, form=form)
        return multistep(
            denoise, path, x, of="eps", memory=stages, form=form, published=self.published, taper=self.taper
        )
