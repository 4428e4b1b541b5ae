"""Our samplers against diffusers' schedulers, over generated configurations, in float32.

The grid is read off their sigmas, so that one exact teacher is asked at the same times by both. `EXCLUDED` lists what
both have and we do not compare; what diffusers refuses or answers with NaN is not generated, and shown to be so.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from samplers.methods.ddim import DDIM
from samplers.methods.deis import DEIS
from samplers.methods.dpm_solver import DPMSolver
from samplers.methods.dpm_solver_fast import DPMSolverFast
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.dpmpp_sde import SDEDPMSolverPP
from samplers.methods.plms import PLMS
from samplers.methods.pndm import PNDM
from samplers.methods.unipc import UniPC
from samplers.noise import sequential
from samplers.prediction import Prediction
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, Tabulated
from samplers.thresholding import DynamicThreshold
from samplers.types import Denoiser, Sampler, last
from tests.samplers.diffusers_cases import COMPARED, EXCLUDED, GENERATED, Case, chosen
from tests.samplers.started import exact

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # theirs
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_types?.*deprecated:FutureWarning"),
]

KINDS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v", "flow_prediction": "flow"}
THRESHOLD = {"thresholding": True, "dynamic_thresholding_ratio": 0.7, "sample_max_value": 1.5}
START = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
TOLERANCE = 1e-4


# How one is run


class Shown:
    """The exact teacher, showing one kind."""

    def __init__(self, schedule: NoiseSchedule, kind: str) -> None:
        self._law, self._kind = exact(schedule), kind

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        found = self._law(x_t, t)
        return Prediction(found.read(self._kind), self._kind, x_t, found.alpha, found.sigma)  # pyright: ignore


@lru_cache
def table() -> Tabulated:
    return Tabulated(tuple(diffusers.DDPMScheduler().alphas_cumprod.double().tolist()))


def build(case: Case) -> Any:
    options = dict(case.options)
    if options.pop("thresholding", False):
        options |= THRESHOLD
    scheduler = getattr(diffusers, case.scheduler)(**options)
    scheduler.set_timesteps(case.steps)
    return scheduler


def schedule_of(case: Case) -> NoiseSchedule:
    if case.scheduler.startswith("EDM"):
        return EDM(80.0)
    return RectifiedFlow() if "Flow" in case.scheduler or case.options.get("use_flow_sigmas") else table()


def grid_of(case: Case, scheduler: Any, schedule: NoiseSchedule) -> Tensor:
    if not hasattr(scheduler, "sigmas"):
        return table_grid(case, scheduler)
    sigmas = torch.as_tensor(scheduler.sigmas).double()
    if isinstance(schedule, EDM | RectifiedFlow):
        grid = sigmas / (80.0 if isinstance(schedule, EDM) else 1.0)
    else:
        grid = schedule.t_of_lam(-sigmas.log())
    return torch.unique(grid.clamp_max(1.0)).flip(0)  # some list inner levels twice


def table_grid(case: Case, scheduler: Any) -> Tensor:
    entries = sorted({int(k) for k in scheduler.timesteps}, reverse=True)
    if case.scheduler == "PNDMScheduler" and not case.options["skip_prk_steps"]:
        ratio = 1000 // case.steps
        entries = [entries[0] - i * ratio for i in range(case.steps)]
    clean = case.options.get("set_alpha_to_one", True)
    return torch.tensor([*((k + 1) / 1000 for k in entries), 0.0 if clean else 0.001], dtype=torch.float64)


def times_asked(case: Case, scheduler: Any, grid: Tensor) -> Tensor:
    """When their loop wants the teacher."""
    if not hasattr(scheduler, "sigmas"):
        return (scheduler.timesteps.double() + 1) / 1000
    if case.scheduler.startswith("KDPM2"):
        between = table().t_of_lam(table().lam(grid[:-2]).lerp(table().lam(grid[1:-1]), 0.5))
        return torch.cat([torch.stack([grid[:-2], between], 1).flatten(), grid[-2:-1]])
    if "Heun" in case.scheduler:
        return torch.cat([grid[:1], grid[1:-1].repeat_interleave(2)])
    goes_nowhere = len(scheduler.timesteps) == len(grid)  # a last step from the least level to itself
    return grid if goes_nowhere else grid[:-1]


def kind_of(case: Case) -> str:
    return KINDS["flow_prediction" if "Flow" in case.scheduler else case.options["prediction_type"]]


def theirs(case: Case, scheduler: Any, law: Denoiser, schedule: NoiseSchedule, grid: Tensor, first: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    x, steps = first, 0
    scale = schedule.alpha(grid[0]) if case.scaled else torch.ones(())
    x = x / scale.to(x)
    extra = {**case.extra}
    if "generator" in scheduler.step.__code__.co_varnames:
        extra["generator"] = generator
    for k, t in zip(scheduler.timesteps, times_asked(case, scheduler, grid), strict=True):
        alpha = float(schedule.alpha(t)) if case.scaled else 1.0
        scheduler.is_scale_input_called = True
        found = shown(case, law(alpha * x, t), t)
        x = scheduler.step(found, k, x, **extra).prev_sample
        steps += 1
    return x * (schedule.alpha(grid[-1]).to(x) if case.scaled else 1.0)


def shown(case: Case, found: Prediction, t: Tensor) -> Tensor:
    """The network's output: EDM's schedulers want what stands behind c_out."""
    if not case.scheduler.startswith("EDM"):
        return found.value
    sigma = 80 * float(t)
    skip, out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / (sigma**2 + 0.25) ** 0.5
    return (found.x0 - skip * found.x_t) / (out if case.options["prediction_type"] == "epsilon" else -out)


def start(case: Case, schedule: NoiseSchedule, grid: Tensor) -> Tensor:
    return START * float(schedule.sigma(grid[0])) if isinstance(schedule, EDM) else START


def difference(case: Case, ours: Sampler | None = None, *, double: bool = False) -> float:
    scheduler, schedule = build(case), schedule_of(case)
    grid, law = grid_of(case, scheduler, schedule), Shown(schedule, kind_of(case))
    first = start(case, schedule, grid)
    if double:
        scheduler.sigmas, first = scheduler.sigmas.double(), first.double()
    wrapped: Denoiser = law
    if case.options.get("thresholding"):
        wrapped = DynamicThreshold(law, THRESHOLD["dynamic_thresholding_ratio"], THRESHOLD["sample_max_value"])
    noise = sequential(torch.Generator().manual_seed(7))
    found = last((ours or case.ours)(wrapped, schedule, first, grid, noise=noise))
    assert found.dtype == first.dtype
    return float((found - theirs(case, scheduler, law, schedule, grid, first)).abs().max())


# What is asserted


@pytest.mark.parametrize("name", sorted({case.scheduler for case in COMPARED}))
def test_equals_diffusers(name: str):
    worst = {str(case): difference(case) for case in chosen() if case.scheduler == name}
    assert {case: d for case, d in worst.items() if not d < TOLERANCE} == {}


def test_what_is_excluded_for_its_digits_agrees_where_there_are_more_of_them():
    own = [case for case in GENERATED if any(EXCLUDED[reason](case) for reason in EXCLUDED if "float64" in reason)]
    assert {type(case.ours) for case in own} == {UniPC, DPMSolverFast}
    picked = [*own[::5], *(case for case in own if isinstance(case.ours, DPMSolverFast))]
    assert {str(case): d for case in picked if not (d := difference(case, double=True)) < 1e-6} == {}


def test_few_configurations_are_excluded():
    used = [sum(rule(case) for case in GENERATED) for rule in EXCLUDED.values()]
    assert all(used)
    assert sum(used) < 0.05 * len(GENERATED)
    assert len(chosen()) > 300


WRONG = [
    next(case for case in COMPARED if rule(case))
    for rule in (
        lambda c: isinstance(c.ours, DPMSolver) and c.ours.published and c.ours.stages == 3 and c.ours.taper == 0,
        lambda c: isinstance(c.ours, DPMSolverPP) and c.ours.memory == 3 and c.ours.taper == 0,
        lambda c: isinstance(c.ours, SDEDPMSolverPP) and c.ours.memory == 3 and c.ours.taper == 0,
        lambda c: c.scheduler.startswith("EDMDPM") and c.ours.memory == 3 and c.ours.taper == 0,
        lambda c: isinstance(c.ours, PLMS),
        lambda c: isinstance(c.ours, PNDM),
        lambda c: (
            isinstance(c.ours, DEIS)
            and (c.ours.axis, c.ours.memory) == ("rho", 3)
            and c.options["timestep_spacing"] == "trailing"
        ),
    )
]


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_where_published_matters_they_are_matched_by_it_and_not_by_the_default(case: Case):
    assert difference(case) < TOLERANCE
    assert difference(case, replace(case.ours, published=False)) > 3 * TOLERANCE  # pyright: ignore


def test_what_is_not_generated_is_refused_or_nan():
    with pytest.raises(ValueError, match="final_sigmas_type"):
        build(Case("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}, 6, DDIM()))
    nan = next(case for case in COMPARED if case.scheduler == "UniPCMultistepScheduler")
    options = {**nan.options, "final_sigmas_type": "zero", "solver_type": "bh1", "lower_order_final": True}
    assert not difference(replace(nan, options=options)) < 1e9
