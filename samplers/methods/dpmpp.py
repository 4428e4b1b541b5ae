"""DPM-Solver++."""

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
class DPMSolverPP:
    """DPM-Solver++ (2M, 3M, 2S, 3S), Lu et al. 2022, 2211.01095, algorithms 1 and 2: a polynomial through denoised
    samples.

    memory: denoised samples in use; 2 is the method, 1 is DDIM.
    form: how two of them enter: "midpoint" as in the algorithm (the line through them, at the middle of the step), or
    "exact" (the line integrated exactly; "heun" in diffusers). Both are of order 2. In 3S, "midpoint" takes the line
    through the first and the last stage, "exact" the parabola through all three; both are of order 3.
    singlestep: stages inside each step, even in log-SNR, instead of past samples: `memory` calls a step.
    published: 3M with half the curvature, as in diffusers, which is of order 2.
    taper: in so many last steps, at most as many samples are used as steps are left ("lower_order_final").
    """

    memory: Literal[1, 2, 3] = 2
    form: Form = "midpoint"
    singlestep: bool = False
    published: bool = False
    taper: int = 0

    @property
    def order(self) -> int:
        return min(self.memory, 2) if self.published and not self.singlestep else self.memory

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        multi = (cls(), cls(form="exact"), cls(memory=1), cls(memory=3), cls(memory=3, published=True))
        single = (cls(singlestep=True), cls(form="exact", singlestep=True))
        return *multi, *single, cls(memory=3, singlestep=True), cls(memory=3, form="exact", singlestep=True)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """One a step; in singlestep form `memory`, but one on a step that ends at sigma = 0 or starts at alpha = 0."""
        return singlestep_calls(schedule, grid, self.memory) if self.singlestep else len(grid) - 1

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        path, memory, form = nodes(schedule, grid), self.memory, self.form
        if self.singlestep:
            return singlesteps(denoise, schedule, x, path, of="x0", stages=memory, form=form)
        return multistep(
            denoise, path, x, of="x0", memory=memory, form=form, published=self.published, taper=self.taper
        )
