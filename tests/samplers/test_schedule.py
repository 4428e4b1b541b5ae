import json
from math import inf, pi

import pytest
import torch

from samplers.schedule import (
    EDM,
    VE,
    NoiseSchedule,
    RectifiedFlow,
    Tabulated,
    VPCosine,
    VPLinear,
    schedule_from_json,
)
from samplers.schedule import SCHEDULES as NAMES
from tests.samplers.exact import SCHEDULES, TABLE

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def test_every_schedule_is_covered():
    assert {type(s).__name__ for s in SCHEDULES} == set(NAMES)


@each_schedule
def test_clean_end_is_exact(schedule: NoiseSchedule):
    assert schedule.alpha(0.0) == 1
    assert schedule.sigma(0.0) == 0
    assert schedule.lam(0.0) == inf
    assert schedule.snr(0.0) == inf
    assert schedule.t_of_lam(inf) == 0


@each_schedule
def test_lam_falls_and_is_inverted(schedule: NoiseSchedule):
    t = torch.cat([torch.logspace(-6, -2, 50, dtype=torch.float64), torch.linspace(0.01, 0.999, 1237).double()])
    lam = schedule.lam(t)
    assert bool((lam[torch.argsort(t)].diff() <= 0).all())
    torch.testing.assert_close(schedule.t_of_lam(lam), t, rtol=1e-9, atol=0)
    torch.testing.assert_close(schedule.snr(t), (2 * lam).exp(), rtol=1e-12, atol=0)


@each_schedule
def test_json_round_trip(schedule: NoiseSchedule):
    again = schedule_from_json(json.loads(json.dumps(schedule.to_json())))
    assert again == schedule
    assert type(again) is type(schedule)


@each_schedule
def test_dtype_and_shape_follow_the_input(schedule: NoiseSchedule):
    t = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    assert schedule.alpha(t).dtype == torch.float32
    assert schedule.lam(t.double()).dtype == torch.float64
    assert schedule.sigma(t).shape == t.shape
    assert schedule.sigma(0.5).dtype == torch.float64
    assert schedule.alpha(torch.tensor(0)) == 1
    torch.testing.assert_close(schedule.lam(t), schedule.lam(t.double()).float(), rtol=0, atol=0)  # float64 inside


@each_schedule
def test_coefficients_broadcast(schedule: NoiseSchedule):
    like = torch.zeros(4, 3, 8, 8)
    t = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    alpha, sigma = schedule.coefficients(t, like)
    assert alpha.shape == sigma.shape == (4, 1, 1, 1)
    assert alpha.dtype == torch.float32
    torch.testing.assert_close(sigma.flatten().double(), schedule.sigma(t), rtol=1e-6, atol=1e-7)
    assert schedule.coefficients(0.3, like)[0].shape == (1, 1, 1, 1)
    assert schedule.coefficients(torch.tensor(0.3), like)[0].shape == (1, 1, 1, 1)
    x0, eps = torch.full_like(like, 2.0), torch.full_like(like, 3.0)
    assert torch.equal(schedule.diffuse(x0, t, eps), alpha * x0 + sigma * eps)


@pytest.mark.parametrize("schedule", [VPLinear(), VPCosine(), Tabulated(TABLE)], ids=lambda s: type(s).__name__)
def test_variance_is_preserved(schedule: NoiseSchedule):
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t), rtol=0, atol=1e-14)


def test_formulas_of_the_papers():
    t = torch.tensor(0.37, dtype=torch.float64)
    assert float(VPLinear().alpha(t)) == pytest.approx(float((-0.25 * t**2 * 19.9 - 0.5 * t * 0.1).exp()), rel=1e-14)
    assert float(VPCosine().alpha(t)) == pytest.approx(float((t * pi / 2).cos()), rel=1e-14)
    assert float(VE().sigma(t)) ** 2 == pytest.approx(1e-4 * (5000 ** (2 * 0.37) - 1), rel=1e-12)
    assert float(EDM().sigma(t)) == pytest.approx(80 * 0.37)
    assert float(RectifiedFlow().alpha(t)) == pytest.approx(0.63)
    assert VPCosine().alpha(1.0) == RectifiedFlow().alpha(1.0) == 0
    assert VPCosine().lam(1.0) == RectifiedFlow().lam(1.0) == -inf


def test_table_holds_at_its_entries_and_is_linear_in_lam_between():
    schedule = Tabulated(TABLE)
    k = torch.arange(1000)
    t = (k + 1).double() / 1000
    torch.testing.assert_close(schedule.alpha(t) ** 2, torch.tensor(TABLE, dtype=torch.float64), rtol=1e-13, atol=0)
    middle = schedule.lam(t[:-1] + 0.0005)
    torch.testing.assert_close(middle, (schedule.lam(t[:-1]) + schedule.lam(t[1:])) / 2, rtol=1e-10, atol=1e-12)
    below = schedule.sigma(0.0005) / schedule.alpha(0.0005)
    assert float(below / (schedule.sigma(0.001) / schedule.alpha(0.001))) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VPLinear(beta_min=0), "beta_min"),
        (lambda: VE(sigma_min=2, sigma_max=1), "sigma_min"),
        (lambda: EDM(sigma_max=0), "sigma_max"),
        (lambda: Tabulated((0.9, 0.0)), r"2\*\*-24"),
        (lambda: Tabulated((0.5, 0.9)), "falling"),
        (lambda: Tabulated((0.5,)), "two"),
        (lambda: schedule_from_json({"kind": "VP"}), "known: VPLinear"),
        (lambda: schedule_from_json({"kind": "VPCosine", "shift": 1}), "no field shift"),
    ],
)
def test_mistakes_are_named(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()
