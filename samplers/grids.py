"""Time grids: 1-D float64 tensors of decreasing t on the host, `steps` + 1 nodes from `start` to `end` exactly.

Grids that are even in noise level cannot reach t = 0; `to_clean` adds that last step.
"""

from math import exp, inf, isfinite, log
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from samplers.schedule import NoiseSchedule


class Node(NamedTuple):
    """What a sampler sees of a schedule at one time of a grid."""

    t: float
    alpha: float
    sigma: float
    lam: float

    @property
    def clock(self) -> Tensor:
        """The time as a denoiser takes it: one float64 number on the host."""
        return torch.tensor(self.t, dtype=torch.float64)


def nodes(schedule: NoiseSchedule, grid: Tensor) -> list[Node]:
    """The schedule at the times of `grid`. ValueError unless they are decreasing in [0, 1], at least two of them."""
    t = grid.to("cpu", torch.float64)
    if t.ndim != 1 or len(t) < 2 or not bool((t[1:] < t[:-1]).all()) or not 0 <= float(t[-1]) < float(t[0]) <= 1:
        raise ValueError(f"a grid is 1-D with two or more times falling strictly within [0, 1], got {t}")
    table = torch.stack([t, schedule.alpha(t), schedule.sigma(t), schedule.lam(t)], 1)
    return [Node(*map(float, row)) for row in table]


def _line(first: float, final: float, steps: int) -> Tensor:
    if steps < 1:
        raise ValueError(f"a grid needs at least one step, got {steps}")
    return torch.linspace(first, final, steps + 1, dtype=torch.float64)


def _pinned(t: Tensor, start: float, end: float) -> Tensor:
    """`t` with its ends free of the rounding of an inverse."""
    t[0], t[-1] = start, end
    return t


def uniform_t(steps: int, *, start: float = 1.0, end: float = 0.0) -> Tensor:
    """Even in t."""
    return _line(start, end, steps)


def quadratic_t(steps: int, *, start: float = 1.0, end: float = 0.0) -> Tensor:
    """Even in sqrt(t) (DDIM, Song et al. 2020, 2010.02502, appendix D.2)."""
    return _pinned(_line(start**0.5, end**0.5, steps) ** 2, start, end)


def uniform_lam(schedule: NoiseSchedule, steps: int, *, start: float = 1.0, end: float = 1e-3) -> Tensor:
    """Even in log-SNR (DPM-Solver, Lu et al. 2022, 2206.00927, section 3.4)."""
    first, final = _finite_lam(schedule, start, end)
    return _pinned(schedule.t_of_lam(_line(first, final, steps)), start, end)


def karras(schedule: NoiseSchedule, steps: int, *, rho: float = 7.0, start: float = 1.0, end: float = 1e-3) -> Tensor:
    """Even in (sigma / alpha)^(1 / rho) (Karras et al. 2022, 2206.00364, eq 5)."""
    first, final = (exp(-lam / rho) for lam in _finite_lam(schedule, start, end))
    return _pinned(schedule.t_of_lam(-rho * _line(first, final, steps).log()), start, end)


def _finite_lam(schedule: NoiseSchedule, start: float, end: float) -> tuple[float, float]:
    first, final = float(schedule.lam(start)), float(schedule.lam(end))
    if not -inf < first < final < inf:
        raise ValueError(
            f"log-SNR is {first} at start={start} and {final} at end={end}: this grid needs it finite and rising; "
            "move start below 1 or end above 0"
        )
    return first, final


def tabulated(
    spacing: Literal["trailing", "leading", "linspace"], steps: int, *, table: int = 1000, offset: int = 0
) -> Tensor:
    """`steps` entries of a table of `table` noise levels, then 0 (Lin et al. 2023, 2305.08891, table 2).

    offset: added to the entry numbers of "leading" (Stable Diffusion's checkpoints use 1). "trailing" starts at t = 1.
    """
    if not 1 <= steps <= table:
        raise ValueError(f"cannot take {steps} steps from a table of {table}: choose between 1 and {table}")
    match spacing:
        case "trailing":
            entries = torch.arange(steps, dtype=torch.float64).mul(-table / steps).add(table).round()
        case "leading":
            entries = torch.arange(steps - 1, -1, -1, dtype=torch.float64) * (table // steps) + 1 + offset
        case "linspace":
            entries = torch.linspace(0, table - 1, steps, dtype=torch.float64).round().flip(0) + 1
    return to_clean(entries / table)


def shift(grid: Tensor, factor: float) -> Tensor:
    """Times moved toward noise by factor > 1: t' = f t / (1 + (f - 1) t) (Esser et al. 2024, 2403.03206, eq 23)."""
    return factor * grid / (1 + (factor - 1) * grid)


def trained_range(schedule: NoiseSchedule) -> tuple[float, float]:
    """The times from which to sample a network and from which to make its last step, to t = 0.

    Networks are trained between 1e-3 and 1 - 1e-3 where the ends are pure noise and nearly clean data; a process whose
    noise at 1e-3 is still more than 0.02 is followed down to 0.002 (Karras et al. 2022, 2206.00364, table 1).
    """
    start = 1.0 if isfinite(float(schedule.lam(1.0))) else 1 - 1e-3
    end = 1e-3 if float(schedule.lam(1e-3)) >= -log(0.02) else float(schedule.t_of_lam(-log(0.002)))
    return start, end


def to_clean(grid: Tensor) -> Tensor:
    """`grid` with one more step, to t = 0."""
    return torch.cat([grid, grid.new_zeros(1)])
