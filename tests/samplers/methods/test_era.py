import pytest

from samplers.methods.era import ERA, choice


def test_choice_of_bases():
    """Power 0 takes the newest, 1 spreads evenly over the past, more leans to the oldest; always distinct, newest first
    and the newest in it."""
    assert choice(10, 4, 0.0) == [9, 8, 7, 6]
    assert choice(10, 4, 1.0) == [9, 6, 3, 0]
    assert choice(10, 4, 3.0) == [9, 2, 1, 0]
    assert choice(4, 4, 50.0) == [3, 2, 1, 0]
    for power in (0.0, 0.2, 0.7, 1.5, 9.0):
        chosen = choice(9, 4, power)
        assert chosen[0] == 8
        assert sorted(set(chosen), reverse=True) == chosen


def test_settings_are_checked():
    with pytest.raises(ValueError, match="bases >= 2"):
        ERA(bases=1)
