import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from samplers.grids import tabulated, uniform_t
from samplers.methods.ddim import DDIM
from samplers.methods.dpmpp import DPMSolverPP
from samplers.schedule import NoiseSchedule, Tabulated
from samplers.types import last
from tests.samplers.exact import SCHEDULES, TABLE, mixture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

START = torch.randn(6, 1, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_diffusers(solver_type: str, steps: int) -> torch.Tensor:
    reference = DPMSolverMultistepScheduler(timestep_spacing="trailing", solver_type=solver_type, solver_order=2)
    reference.set_timesteps(steps)
    schedule = Tabulated(TABLE)
    grid = tabulated("trailing", steps)
    assert torch.equal((grid[:-1] * 1000 - 1).round().long(), reference.timesteps)
    reference.sigmas = (schedule.sigma(grid) / schedule.alpha(grid)).clone()  # it would round them to float32
    law, x = mixture(schedule), START
    for k, t in zip(reference.timesteps, grid[:-1], strict=True):
        x = reference.step(law(x, t).eps, k, x).prev_sample
    return x


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize(("form", "solver_type"), [("midpoint", "midpoint"), ("exact", "heun")])
def test_equals_diffusers(form, solver_type: str, steps: int):
    schedule = Tabulated(TABLE)
    found = last(DPMSolverPP(form=form)(mixture(schedule), schedule, START, tabulated("trailing", steps)))
    torch.testing.assert_close(found, by_diffusers(solver_type, steps), rtol=0, atol=1e-6)  # it steps in float32


def test_the_two_forms_differ():
    assert not torch.allclose(by_diffusers("midpoint", 5), by_diffusers("heun", 5), atol=1e-3)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("form", ["midpoint", "exact"])
def test_memory_of_one_is_ddim(schedule: NoiseSchedule, form):
    x = START * schedule.sigma(1.0)
    grid = uniform_t(9)
    law = mixture(schedule, "v")
    one = last(DPMSolverPP(memory=1, form=form)(law, schedule, x, grid))
    torch.testing.assert_close(one, last(DDIM()(law, schedule, x, grid)), rtol=1e-13, atol=1e-13)
    two = last(DPMSolverPP(form=form)(law, schedule, x, grid))
    assert not torch.allclose(one, two, atol=1e-4)
