"""The probability-flow ODE by an adaptive solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, cast

import numpy as np
import torch
from scipy.integrate import solve_ivp  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from torch import Tensor

from samplers.adams import node_at, transfer
from samplers.grids import nodes
from samplers.methods.pf_ode import velocity
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class ProbabilityFlowRK45:
    """The probability-flow ODE by RK45 (Dormand and Prince) to a tolerance, as in Song et al. 2021, 2011.13456,
    appendix D.4; scipy's solver, one run for each step of the grid, the whole batch as one system.

    rtol, atol: tolerances of the solver. end: where it stops; from there to a cleaner time one DDIM step is taken.

    The number of calls depends on the data. The solver leaves torch, so gradients do not flow through its steps.
    """

    rtol: float = 1e-5
    atol: float = 1e-5
    end: float = 1e-3

    def __post_init__(self) -> None:
        if not (self.rtol > 0 and self.atol > 0 and 0 < self.end < 1):
            raise ValueError(
                f"pf_rk45 needs positive tolerances and end between 0 and 1, got {self.rtol}, {self.atol}, {self.end}"
            )

    @property
    def order(self) -> int:
        return 5

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        return cls(), cls(rtol=1e-8, atol=1e-8)

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> None:
        """Depends on the data."""

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        for s, t in pairwise(nodes(schedule, grid)):
            stop = max(t.t, min(self.end, s.t))
            x0 = denoise(x, s.clock).x0
            if stop < s.t:
                x = self._solved(denoise, schedule, x, s.t, stop)
            if stop > t.t:
                here = node_at(schedule, stop)
                x0 = denoise(x, here.clock).x0
                x = transfer(x, x0, here, t)
            yield Step(s.t, t.t, x, x0)

    def _solved(self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, start: float, stop: float) -> Tensor:
        def slope(t: float, flat: np.ndarray) -> np.ndarray:
            state = torch.as_tensor(flat).to(x).reshape(x.shape)
            with torch.no_grad():
                prediction = denoise(state, torch.tensor(float(t), dtype=torch.float64))
                return velocity(schedule, prediction, float(t)).double().cpu().numpy().ravel()

        flat = x.detach().double().cpu().numpy().ravel()
        found = cast(Any, solve_ivp(slope, (start, stop), flat, method="RK45", rtol=self.rtol, atol=self.atol))
        if not found.success:
            raise ValueError(f"pf_rk45 stopped between t = {start} and {stop}: {found.message}; loosen rtol or atol")
        return torch.as_tensor(found.y[:, -1].copy()).to(x).reshape(x.shape)
