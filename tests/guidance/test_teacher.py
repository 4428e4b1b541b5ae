import json
from typing import get_args

import pytest
import torch

from guidance.teacher import CameraLaw, Counted, Guided, Teacher, Views, perpendicular
from nerf.cameras import orbit
from samplers.prediction import Kind
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from tests.guidance.pair import MEAN_C, MEAN_U, SHAPE, denoised, guided, teacher

KINDS: tuple[Kind, ...] = get_args(Kind)
G = torch.Generator().manual_seed(1)
X = torch.randn(5, *SHAPE, generator=G, dtype=torch.float64)
T = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
each_schedule = pytest.mark.parametrize(
    "schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__
)


@each_schedule
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.0, 1.0, 7.5, 100.0])
def test_guided_pair_is_the_denoiser_of_the_extrapolated_mean(scale: float, kind: Kind, schedule: NoiseSchedule):
    mean = MEAN_U + scale * (MEAN_C - MEAN_U)
    found = guided(scale, kind, schedule)(X, T).x0
    torch.testing.assert_close(found, denoised(X, T, mean, schedule), rtol=1e-9, atol=1e-9)


def test_the_other_convention_of_the_scale_is_rejected():
    """(1 + w) cond - w null with w taken for the scale, and with null and cond exchanged."""
    expected = guided(7.5)(X, T).x0
    null, cond = guided(7.5).parts(X, T)
    assert not torch.allclose(8.5 * cond.x0 - 7.5 * null.x0, expected, atol=1e-2)
    assert not torch.allclose(cond.mix(null, 7.5).x0, expected, atol=1e-2)
    torch.testing.assert_close(7.5 * cond.x0 - 6.5 * null.x0, expected, rtol=1e-9, atol=1e-9)


def test_one_time_for_all_and_single_precision():
    one = guided(3.0)(X, torch.tensor(0.5, dtype=torch.float64)).eps
    torch.testing.assert_close(one, guided(3.0)(X, torch.full((5,), 0.5, dtype=torch.float64)).eps, rtol=0, atol=0)
    single = guided(3.0)(X.float(), T.float()).eps
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), guided(3.0)(X, T).eps, rtol=1e-4, atol=1e-4)


def brute_perp_neg(kind: Kind, scale: float, weights: list[float]) -> torch.Tensor:
    """Sample by sample, from separate calls, in the reading `kind`: null + scale (d + w (n - (n.d / d.d) d))."""
    t = teacher()
    rows = []
    for x, time, weight in zip(X, T, weights, strict=True):
        null, pos, neg = (
            t(x[None], time[None], t.embed([prompt])).read(kind).flatten().tolist() for prompt in ("u", "c", "n")
        )
        d = [p - q for p, q in zip(pos, null, strict=True)]
        n = [p - q for p, q in zip(neg, null, strict=True)]
        share = sum(a * b for a, b in zip(n, d, strict=True)) / sum(a * a for a in d)
        rows.append([q + scale * (a + weight * (b - share * a)) for q, a, b in zip(null, d, n, strict=True)])
    return torch.tensor(rows, dtype=torch.float64).view_as(X)


@pytest.mark.parametrize("kind", KINDS)
def test_perp_neg_equals_brute_force_in_every_kind(kind: Kind):
    found = guided(4.0, kind, weight=-0.7)(X, T)
    for reading in KINDS:
        expected = brute_perp_neg(reading, 4.0, [-0.7] * 5)
        torch.testing.assert_close(found.read(reading), expected, rtol=1e-8, atol=1e-8)


def test_perp_neg_takes_one_weight_a_sample():
    weights = [-1.0, -0.5, 0.0, -2.0, -0.1]
    found = guided(4.0, weight=torch.tensor(weights))(X, T).eps
    torch.testing.assert_close(found, brute_perp_neg("eps", 4.0, weights), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found[2], guided(4.0)(X, T).eps[2], rtol=1e-9, atol=1e-9)


def test_a_plain_negative_is_not_perp_neg():
    null, cond = guided(4.0).parts(X, T)
    negative = teacher()(X, T, teacher().embed(["n"] * 5)).eps
    plain = null.eps + 4 * (cond.eps - null.eps - 0.7 * (negative - null.eps))
    assert not torch.allclose(guided(4.0, weight=-0.7)(X, T).eps, plain, atol=1e-2)


def test_what_is_parallel_is_left_alone_and_no_direction_keeps_all():
    torch.testing.assert_close(perpendicular(3 * X, X), torch.zeros_like(X), rtol=0, atol=1e-13)
    assert torch.equal(perpendicular(X, torch.zeros_like(X)), X)
    t = teacher()
    itself = Guided(t, t.embed(["c"]), t.embed(["u"]), 4.0, ((t.embed(["c"]), -1.0),))
    torch.testing.assert_close(itself(X, T).eps, guided(4.0)(X, T).eps, rtol=1e-9, atol=1e-9)


class Recorded(Counted):
    """Also counts calls, whatever their size."""

    calls = 0

    def __call__(self, x_t, t, cond, /):
        self.calls += 1
        return super().__call__(x_t, t, cond)


@pytest.mark.parametrize(("scale", "weight", "each"), [(1.0, 0.0, 1), (3.0, 0.0, 2), (1.0, -1.0, 3), (3.0, -1.0, 3)])
def test_cost_of_a_guided_call(scale: float, weight: float, each: int):
    plain = guided(scale, weight=weight)
    counted = Recorded(plain.teacher)
    found = Guided(counted, plain.cond, plain.null, scale, plain.negatives)(X, T)
    assert counted.nfe == each * 5
    assert counted.calls == 1  # one batched network call
    assert torch.equal(found.value, plain(X, T).value)
    assert found.x_t is X


def test_parts_and_with_cond():
    g = guided(3.0, weight=-1.0)
    null, cond = g.parts(X, T)
    torch.testing.assert_close(null.x0, denoised(X, T, MEAN_U), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cond.x0, denoised(X, T, MEAN_C), rtol=1e-9, atol=1e-9)
    whole, alone = g.with_cond(X, T)
    assert torch.equal(whole.value, g(X, T).value)
    assert torch.equal(alone.value, cond.value)


def test_counted_is_the_teacher_it_counts():
    inner = teacher()
    counted: Teacher = Counted(inner)
    assert (counted.schedule, counted.shape, counted.cameras) == (inner.schedule, inner.shape, None)
    assert torch.equal(counted.decode(counted.encode(X)), inner.decode(inner.encode(X)))
    assert len(counted.embed(["c", "u"])) == 2


def views(count: int) -> Views:
    return orbit(count, elevation=0.3, distance=3.0, fov=0.7)


def test_conditions_bind_to_views():
    g = guided(3.0, weight=-1.0).at(views(5))
    assert len(g.cond) == len(g.null) == len(g.negatives[0][0]) == 5
    assert torch.equal(g(X, T).eps, guided(3.0, weight=-1.0)(X, T).eps)
    t = teacher()
    each = Guided(t, t.embed(["c", "u", "n", "c", "u"]), t.embed([""]), 1.0).at(views(5))
    torch.testing.assert_close(each(X, T).x0[1], denoised(X, T, MEAN_U)[1], rtol=1e-9, atol=1e-9)


def test_rows_that_fit_no_batch_are_named():
    t = teacher()
    with pytest.raises(ValueError, match="2 prompts for a batch of 5"):
        Guided(t, t.embed(["c", "u"]), t.embed([""]), 1.0)(X, T)


LAW = CameraLaw(azimuth=(-3.0, 3.0), elevation=(-0.2, 0.7), distance=(2.5, 3.5), fov=(0.5, 0.9))


def test_camera_law_round_trip():
    assert CameraLaw.from_json(json.loads(json.dumps(LAW.to_json()))) == LAW


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"azimuth": (1.0, -1.0)}, "azimuth"),
        ({"elevation": (0.0, float("nan"))}, "elevation"),
        ({"distance": (0.0, 1.0)}, "distance > 0"),
        ({"fov": (0.5, 3.2)}, "fov < pi"),
    ],
)
def test_camera_law_names_what_is_wrong(change: dict, message: str):
    fine = {"azimuth": LAW.azimuth, "elevation": LAW.elevation, "distance": LAW.distance, "fov": LAW.fov}
    with pytest.raises(ValueError, match=message):
        CameraLaw(**{**fine, **change})
    with pytest.raises(ValueError, match="exactly"):
        CameraLaw.from_json({"fov": [0.5, 0.9]})
