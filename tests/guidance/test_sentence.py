"""Prompts of two things: where they are cut, and how the two stand."""

import pytest

from tests.guidance.words import RED_WHITE, WORDS, things


@pytest.mark.parametrize(
    ("prompt", "upper", "lower"),
    [
        ("a mushroom on a cube", RED_WHITE, ("cube", "orange")),
        ("mushroom atop blue block", RED_WHITE, ("cube", "blue")),
        ("a mushroom on top of a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom standing on the top of a cube", RED_WHITE, ("cube", "orange")),
        ("a cube under a mushroom", RED_WHITE, ("cube", "orange")),
        ("a cube on a red cube", ("cube", "orange"), ("cube", "red")),
        (
            "blue stem mushroom on a table with red legs",
            ("mushroom", "red", "blue"),
            ("table", "brown", "red"),
        ),
        ("a mushroom on a table with a red top", RED_WHITE, ("table", "red", "brown")),
        ("a mushroom on a blue cube with a green stem", ("mushroom", "red", "green"), ("cube", "blue")),
        ("a mushroom on top of a table with a red top", RED_WHITE, ("table", "red", "brown")),
    ],
)
def test_two_things(prompt, upper, lower):
    assert things(prompt) == [upper, lower]
    assert WORDS.parse(prompt).relation == "on"


@pytest.mark.parametrize(
    ("prompt", "left", "right"),
    [
        ("a mushroom next to a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom right next to a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom beside a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom near a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom by a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom left of a cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom standing to the left of a cube", RED_WHITE, ("cube", "orange")),
        ("a cube right of a mushroom", RED_WHITE, ("cube", "orange")),
        ("a cube on the right-hand side of a mushroom", RED_WHITE, ("cube", "orange")),
        ("a mushroom and a cube", RED_WHITE, ("cube", "orange")),
        ("mushroom, cube", RED_WHITE, ("cube", "orange")),
        ("a mushroom and a cube side by side", RED_WHITE, ("cube", "orange")),
        ("a mushroom and a cube next to each other", RED_WHITE, ("cube", "orange")),
        ("a cone next to a tree", ("cone", "purple"), ("tree", "green", "brown")),  # which nothing can stand on
        # which description ends where
        ("a mushroom with a blue stem and a red cube", ("mushroom", "red", "blue"), ("cube", "red")),
        ("mushroom with blue stem and red cube", ("mushroom", "red", "blue"), ("cube", "red")),
        ("a mushroom, blue, and a red cube", ("mushroom", "blue", "white"), ("cube", "red")),
        ("a cube and a blue and red striped cone", ("cube", "orange"), ("cone", "blue")),
        ("a blue and red striped cone and a cube", ("cone", "blue"), ("cube", "orange")),
        ("a cone with red dots and a cube", ("cone", "purple"), ("cube", "orange")),
        ("a cube next to a mushroom with a blue stem", ("cube", "orange"), ("mushroom", "red", "blue")),
        # one kind twice
        ("a red cube and a blue cube", ("cube", "red"), ("cube", "blue")),
        ("two cubes", ("cube", "orange"), ("cube", "orange")),
        ("2 big mushrooms with blue stems", ("mushroom", "red", "blue"), ("mushroom", "red", "blue")),
    ],
)
def test_things_next_to_each_other(prompt, left, right):
    assert things(prompt) == [left, right]
    assert WORDS.parse(prompt).relation == "next to"


def test_patterns_stay_with_their_thing():
    left, right = WORDS.parse("a dotted cube next to a cone with gold stripes").things
    assert (left.pattern, left.second, right.pattern, right.second) == ("spotted", "white", "striped", "gold")
    upper, lower = WORDS.parse("a gold-striped red mushroom on a cube").things
    assert (upper.colors[0], upper.pattern, upper.second, lower.pattern) == ("red", "striped", "gold", "plain")
