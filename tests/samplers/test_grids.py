import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from samplers import grids
from samplers.grids import nodes
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from tests.samplers.exact import SCHEDULES

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


@each_schedule
def test_grids_have_their_ends_and_steps(schedule: NoiseSchedule):
    made = [
        grids.uniform_t(7),
        grids.quadratic_t(7, start=0.9, end=0.01),
        grids.uniform_lam(schedule, 7, start=0.9, end=0.01),
        grids.karras(schedule, 7, start=0.9, end=0.01),
        grids.shift(grids.uniform_t(7), 3.0),
    ]
    for grid, (start, end) in zip(made, [(1, 0), (0.9, 0.01), (0.9, 0.01), (0.9, 0.01), (1, 0)], strict=True):
        assert grid.dtype == torch.float64
        assert len(grid) == 8
        assert (float(grid[0]), float(grid[-1])) == (start, end)
        assert len(nodes(schedule, grid)) == 8


def test_what_each_grid_is_even_in():
    schedule = VPLinear()
    even = grids.uniform_lam(schedule, 9, start=1.0, end=1e-3)
    steps = schedule.lam(even).diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-9, atol=0)
    roots = grids.quadratic_t(9).sqrt().diff()
    torch.testing.assert_close(roots, roots.mean().expand_as(roots), rtol=1e-12, atol=0)


def test_karras_on_edm_is_equation_5():
    sigmas = EDM().sigma(grids.karras(EDM(), 17, start=1.0, end=0.002 / 80)).numpy()
    i = np.arange(18) / 17
    np.testing.assert_allclose(sigmas, (80 ** (1 / 7) + i * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7, rtol=1e-10)


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("steps", [4, 7, 50, 1000])
def test_spacings_equal_those_of_diffusers(spacing: str, steps: int):
    offset = 1 if spacing == "leading" and steps < 1000 else 0
    reference = DDIMScheduler(timestep_spacing=spacing, steps_offset=offset)
    reference.set_timesteps(steps)
    ours = grids.tabulated(spacing, steps, offset=offset)  # type: ignore[arg-type]
    assert torch.equal((ours[:-1] * 1000 - 1).round().long(), reference.timesteps.long())
    assert ours[-1] == 0


def test_shift_is_one_log_snr_offset():
    """On the straight path a shift by f subtracts log f from lam (2403.03206, section 5.3.2)."""
    grid = grids.uniform_t(6, start=0.9, end=0.1)
    lam = RectifiedFlow().lam
    torch.testing.assert_close(lam(grids.shift(grid, 3.0)), lam(grid) - np.log(3), rtol=1e-12, atol=1e-12)


@each_schedule
def test_sampling_starts_in_noise_and_ends_nearly_clean(schedule: NoiseSchedule):
    start, end = grids.trained_range(schedule)
    assert start >= 1 - 1e-3
    assert np.isfinite(float(schedule.lam(start)))
    assert 0.001 < float(schedule.sigma(end) / schedule.alpha(end)) * 1.001 < 0.0201
    assert end == pytest.approx(2.5e-5 if isinstance(schedule, EDM) else 1e-3, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: grids.uniform_t(0), "at least one step, got 0"),
        (lambda: grids.uniform_lam(RectifiedFlow(), 5), "start below 1"),
        (lambda: grids.karras(EDM(), 5, end=0.0), "end above 0"),
        (lambda: grids.tabulated("trailing", 1001), "1001"),
    ],
)
def test_mistakes_are_named(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()
