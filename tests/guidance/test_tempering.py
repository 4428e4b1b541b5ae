import statistics

import pytest
import torch

from guidance.teacher import Counted, Guided
from guidance.tempering import GuidanceInterval, RescaledGuidance
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from tests.guidance.pair import SHAPE, guided

X = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
T = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
HALF = torch.tensor(0.5, dtype=torch.float64)
each_schedule = pytest.mark.parametrize(
    "schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__
)


@each_schedule
def test_guidance_is_on_within_the_interval_only(schedule: NoiseSchedule):
    """Sample by sample, at levels between those of the times: low is outside, high is inside."""
    level = schedule.sigma(T) / schedule.alpha(T)
    pair = guided(4.0, "v", schedule)
    tempered = GuidanceInterval(pair, float(level[0]) * (1 + 1e-12), float(level[3]) * (1 + 1e-12))
    found, mixed, cond = tempered(X, T), pair(X, T), pair.parts(X, T)[1]
    for i, on in enumerate([False, True, True, True, False]):
        torch.testing.assert_close(found.x0[i], (mixed if on else cond).x0[i], rtol=1e-12, atol=1e-12)
        assert not torch.allclose(found.x0[i], (cond if on else mixed).x0[i], atol=1e-3)


@pytest.mark.parametrize(("low", "each"), [(0.0, 2), (2.0, 1)])
def test_where_guidance_is_off_it_costs_nothing(low: float, each: int):
    plain = guided(4.0, schedule=RectifiedFlow(), weight=0.0)
    counted = Counted(plain.teacher)
    GuidanceInterval(Guided(counted, plain.cond, plain.null, 4.0), low)(X, HALF)
    assert counted.nfe == each * 5


def test_off_means_no_negatives_either():
    away = guided(4.0, schedule=RectifiedFlow(), weight=-1.0)
    off = GuidanceInterval(away, 2.0)(X, HALF)
    torch.testing.assert_close(off.x0, away.parts(X, HALF)[1].x0, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_rescaling_is_equations_15_and_16(share: float):
    """Written out sample by sample: phi x_cfg std_pos / std_cfg + (1 - phi) x_cfg."""
    pair = guided(7.5, "v")
    mixed, cond = pair.with_cond(X, T)
    found = RescaledGuidance(pair, share)(X, T)
    assert found.kind == "v"
    for row, v_cfg, v_pos in zip(found.value, mixed.value, cond.value, strict=True):
        expected = (
            share * v_cfg * statistics.stdev(v_pos.flatten().tolist()) / statistics.stdev(v_cfg.flatten().tolist())
            + (1 - share) * v_cfg
        )
        torch.testing.assert_close(row, expected, rtol=1e-9, atol=1e-12)


def test_rescaled_wholly_it_has_the_spread_of_the_condition():
    pair = guided(7.5, "eps")
    whole = RescaledGuidance(pair, 1.0, "x0")(X, T)
    cond = pair.parts(X, T)[1].x0.flatten(1).std(1)
    torch.testing.assert_close(whole.x0.flatten(1).std(1), cond, rtol=1e-9, atol=0)
    assert float((pair(X, T).x0.flatten(1).std(1) / cond).min()) > 1.2
    by_eps = RescaledGuidance(pair, 1.0)(X, T)
    assert not torch.allclose(by_eps.x0, whole.x0, atol=0.1)  # the reading matters


def test_they_stack_and_show_their_parts():
    pair = guided(7.5, "v", RectifiedFlow())
    stacked = RescaledGuidance(GuidanceInterval(pair, 2.0), 0.7)
    null, cond = stacked.parts(X, HALF)
    torch.testing.assert_close(stacked(X, HALF).x0, cond.x0, rtol=1e-9, atol=1e-9)  # off: nothing to rescale
    torch.testing.assert_close(null.x0, pair.parts(X, HALF)[0].x0, rtol=0, atol=0)
    on = RescaledGuidance(GuidanceInterval(pair), 0.7)(X, HALF)
    torch.testing.assert_close(on.x0, RescaledGuidance(pair, 0.7)(X, HALF).x0, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: GuidanceInterval(g, 2.0, 1.0), "low < high, got 2.0 and 1.0"),
        (lambda g: GuidanceInterval(g, -1.0), "0 <= low"),
        (lambda g: RescaledGuidance(g, 1.5), "between 0 and 1, got 1.5"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(guided(3.0))
