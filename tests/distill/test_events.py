import json
import math

import pytest

from distill.events import Failed, Finished, Previewed, Saved, Stepped, Warned, from_line, to_line

EVENTS = [
    Stepped(3, 10, {"loss": 0.1 + 0.2, "lr": 1e-5}, 0.25),
    Previewed(4, "previews/000004.png"),
    Warned(5, "the picture is empty", "density raised", True),
    Saved(6, "checkpoint.pt"),
    Failed('line\nbreak and "quotes"'),
    Finished(10, 10, {"iou": 0.9, "faces": 7, "parts": ["a", None]}, 2.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_round_trip_is_exact(event):
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event


def test_non_finite_scalars_stay_strict_json():
    event = Stepped(1, 2, {"a": math.nan, "b": math.inf, "c": -math.inf}, 0.0)
    line = to_line(event)
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    back = from_line(line)
    assert math.isnan(back.scalars["a"])
    assert (back.scalars["b"], back.scalars["c"]) == (math.inf, -math.inf)


def test_a_result_that_is_not_finite_does_not_lose_the_end_of_a_run():
    back = from_line(to_line(Finished(10, 10, {"psnr": math.inf, "parts": [math.nan, 1.0]}, 0.0)))
    assert back.results == {"psnr": "inf", "parts": ["nan", 1.0]}


@pytest.mark.parametrize(
    "line",
    [
        to_line(EVENTS[0])[:-5],
        '{"event": "Exploded"}',
        "[]",
        "",
        to_line(EVENTS[3]).replace("step", "steps"),
    ],
)
def test_broken_lines_are_refused(line):
    with pytest.raises(ValueError, match=r"not an event|has the fields"):
        from_line(line)


def test_stopped_is_not_done():
    assert Finished(3, 10, {}, 0.0).stopped
    assert not Finished(10, 10, {}, 0.0).stopped
