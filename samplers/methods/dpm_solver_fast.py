"""DPM-Solver-fast."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Self

from torch import Tensor

from samplers.adams import Of, seen
from samplers.dpm import Form, singlestep
from samplers.grids import nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class DPMSolverFast:
    """DPM-Solver-fast, Lu et al. 2022, 2206.00927, appendix D.3: as many calls as the grid has steps, spent in groups
    of three as DPM-Solver-3, with a last group or two of lower order so that the number comes out.

    stages: calls in a full group. of: "eps" is DPM-Solver, "x0" DPM-Solver++. form: see `dpm_solver`; it is that
    of the stages too, as in diffusers.
    taper: end with groups of falling size, as in the paper; without, only the remainder makes a smaller group.

    The stages of a group stand on nodes of the grid (even in log-SNR, they are those of the paper). A group that would
    end at sigma = 0 takes its last step alone, with order 1, and so does one that starts at alpha = 0 its first.
    """

    stages: Literal[1, 2, 3] = 3
    of: Of = "eps"
    form: Form = "midpoint"
    taper: bool = True

    @property
    def order(self) -> int:
        """Of a whole group; a tapered end adds a single step of lower order, which the whole notices as order 2."""
        return min(self.stages, 2) if self.taper else self.stages

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        free = (cls(taper=False), cls(of="x0", taper=False), cls(form="exact", taper=False))
        return cls(), cls(of="x0"), cls(stages=2), *free, cls(stages=2, of="x0", form="exact", taper=False)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        return len(grid) - 1

    def groups(self, steps: int) -> list[int]:
        """Sizes of the groups that make `steps`."""
        full, rest = divmod(steps, self.stages)
        if self.taper and rest == 0 and self.stages > 1:
            return [self.stages] * (full - 1) + ([2, 1] if self.stages == 3 else [1, 1])
        return [self.stages] * full + ([rest] if rest else [])

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        path = nodes(schedule, grid)
        sizes = self.groups(len(path) - 1)
        at = 0
        while sizes:
            size = sizes.pop(0)
            if size > 1 and not (isfinite(path[at].lam) and isfinite(path[at + size].lam)):
                alone = [1, size - 1] if not isfinite(path[at].lam) else [size - 1, 1]
                sizes[:0] = alone
                continue
            before, here = path[at], seen(denoise(x, path[at].clock), path[at], self.of)
            *inner, end = path[at + 1 : at + size + 1]
            form = self.form
            stages = singlestep(denoise, x, here, inner, end, of=self.of, form=form, stage_form=form)
            for node, state, x0 in stages:
                yield Step(before.t, node.t, state, x0)
                before, x_t = node, state
            x, at = x_t, at + size  # pyright: ignore[reportPossiblyUnboundVariable]
