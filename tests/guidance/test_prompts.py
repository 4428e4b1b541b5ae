from math import exp, pi, radians

import pytest
import torch

from guidance.prompts import BACK, FRONT, OVERHEAD, SIDE, Directions, ViewGuided, guide, perp_neg_weights
from guidance.teacher import CameraLaw, Guided
from guidance.teachers.mixture import Mixture
from nerf.cameras import Cameras
from samplers.schedule import VPLinear

LAW = CameraLaw((-pi, pi), (-0.2, 0.7), (3.0, 3.0), (0.7, 0.7))
PROMPTS = ["cat", "dog", "cat, front view", "cat, side view", "cat, back view", "cat, overhead view"]
MEANS = torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def looking(azimuth_deg: list[float], elevation_deg: float = 10.0) -> Cameras:
    azimuth = torch.tensor(azimuth_deg, dtype=torch.float64).deg2rad()
    return Cameras(azimuth, torch.full_like(azimuth, radians(elevation_deg)), 0 * azimuth + 3, 0 * azimuth + 0.7)


class Blind(Mixture):
    """A teacher that takes no camera, with one Gaussian for every prompt; remembers what it embedded."""

    def embed(self, prompts, /):
        object.__setattr__(self, "asked", [*getattr(self, "asked", []), *prompts])
        return super().embed(prompts)


class Seeing(Blind):
    @property
    def cameras(self) -> CameraLaw | None:
        return LAW


def made(kind: type[Blind]) -> Blind:
    weights = torch.ones(6, dtype=torch.float64)
    return kind(VPLinear(), weights, MEANS, torch.full_like(MEANS, 0.1), {p: [i] for i, p in enumerate(PROMPTS)})


def test_sectors_and_their_borders():
    directions = Directions(front=radians(45), back=radians(30), overhead=radians(60))
    azimuths = [0.0, 44.9, -44.9, 45.1, -90.0, 149.0, 151.0, -179.0, 180.0, 360.0, 405.1, -315.1]
    expected = [FRONT, FRONT, FRONT, SIDE, SIDE, SIDE, BACK, BACK, BACK, FRONT, SIDE, SIDE]
    expected[-1] = FRONT  # -315.1 is 44.9
    assert directions.index(looking(azimuths)).tolist() == expected
    assert directions.index(looking([0.0, 180.0], 59.9)).tolist() == [FRONT, BACK]
    assert directions.index(looking([0.0, 180.0], 60.1)).tolist() == [OVERHEAD, OVERHEAD]


def test_words_are_templates():
    assert Directions().words("a cat") == [
        "a cat, front view",
        "a cat, side view",
        "a cat, back view",
        "a cat, overhead view",
    ]
    with pytest.raises(ValueError, match="where the prompt goes"):
        Directions(templates=("front", "{} side", "{} back", "{} top"))
    with pytest.raises(ValueError, match="overlap"):
        Directions(front=2.0, back=2.0)


def test_perp_neg_weights_are_the_published_curves():
    def decay(a: float, c: float, r: float) -> float:
        return a * exp(-0.5 * r) + c

    for azimuth in (0.0, 20.0, -70.0, 90.0, 110.0, -170.0, 180.0):
        front, side = (float(w[0]) for w in perp_neg_weights(looking([azimuth]), Directions()))
        quarter = abs(azimuth) / 90
        if quarter <= 1:
            expected = decay(4, -2.426, 1 - quarter), decay(4, -2.426, quarter)
        else:
            expected = decay(1, 0.967, 2 - quarter), decay(1, -0.606, 2 - quarter)
        assert (-front, -side) == pytest.approx(expected, abs=1e-3)
        assert front <= 0
        assert side <= 0
    assert all(float(w) == 0 for w in perp_neg_weights(looking([30.0], 70.0), Directions()))


def test_the_curves_join_at_the_side():
    before, after = (perp_neg_weights(looking([a]), Directions()) for a in (90 - 1e-7, 90 + 1e-7))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_blind_teacher_is_told_the_view_in_words():
    teacher = made(Blind)
    guidance = guide(teacher, "cat", scale=1.0)
    assert isinstance(guidance, ViewGuided)
    asked = len(teacher.asked)
    bound = guidance.at(looking([0.0, 90.0, 180.0]))
    assert len(teacher.asked) == asked  # embedded once, bound at every step
    x = torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    found = bound(x, torch.tensor(1.0)).x0
    torch.testing.assert_close(found, MEANS[2:5], rtol=0.1, atol=0.1)


def test_a_teacher_with_cameras_gets_no_view_words():
    teacher = made(Seeing)
    guidance = guide(teacher, "cat", scale=3.0)
    assert isinstance(guidance, Guided)
    assert teacher.asked == ["", "cat"]
    with pytest.raises(ValueError, match="set it to 0"):
        guide(teacher, "cat", scale=3.0, perp_neg=1.0)


@pytest.mark.parametrize("kind", [Blind, Seeing])
def test_a_negative_prompt_stands_beside_the_unconditional_one(kind: type[Blind]):
    teacher = made(kind)
    bound = guide(teacher, "cat", scale=3.0, negative="dog").at(looking([0.0]))
    assert teacher.asked.count("") == teacher.asked.count("dog") == 1
    assert torch.equal(bound.null.log_weights, teacher.embed([""]).log_weights)  # type: ignore[attr-defined]
    ((away, weight),) = bound.negatives
    assert torch.equal(away.log_weights, teacher.embed(["dog"]).log_weights)  # type: ignore[attr-defined]
    assert weight == -1.0


def test_view_negatives_are_weighted_by_the_view():
    teacher, views = made(Blind), looking([0.0, 60.0, 180.0])
    bound = guide(teacher, "cat", scale=3.0, perp_neg=0.5).at(views)
    expected = perp_neg_weights(views, Directions())
    for (row, weight), published, prompt in zip(bound.negatives, expected, PROMPTS[2:4], strict=True):
        torch.testing.assert_close(weight, 0.5 * published, rtol=0, atol=0)
        same = teacher.embed([prompt]).log_weights.expand(3, -1)
        assert torch.equal(row.log_weights, same)  # type: ignore[attr-defined]
    x = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert bool(bound(x, torch.tensor(0.5)).eps.isfinite().all())
