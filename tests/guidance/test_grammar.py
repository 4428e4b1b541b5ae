"""One thing as it is described: its parts, its patterns, and words with two meanings."""

import pytest

from tests.guidance.words import RED_WHITE, TWOFOLD, WORDS, patterned, refusal, things


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("mushroom", RED_WHITE),
        ("A RED   Mushroom!", RED_WHITE),
        ("a nice 3D model of the red mushroom, please.", RED_WHITE),
        ("red toadstools", RED_WHITE),
        ("grey boxes", ("cube", "gray")),
        ("one golden cube", ("cube", "gold")),
        # a color behind the thing
        ("a cube that is blue", ("cube", "blue")),
        ("cube, painted blue", ("cube", "blue")),
        ("a mushroom, blue, with a green stem", ("mushroom", "blue", "green")),
        # parts, in whatever order and with whatever links
        ("red mushroom, white stem", RED_WHITE),
        ("mushroom with white stem", RED_WHITE),
        ("a mushroom with a stem", RED_WHITE),
        ("a blue mushroom with a green stalk", ("mushroom", "blue", "green")),
        ("mushroom with green stem & blue hat", ("mushroom", "blue", "green")),
        ("a mushroom having a blue cap and a green stem", ("mushroom", "blue", "green")),
        ("a mushroom whose stem is green", ("mushroom", "red", "green")),
        ("the mushroom's stem is green", ("mushroom", "red", "green")),
        ("blue cap and green stem mushroom", ("mushroom", "blue", "green")),
        ("green tree brown trunk", ("tree", "green", "brown")),
        ("tree blue, black trunk", ("tree", "blue", "black")),
        ("tree blue black trunk", ("tree", "blue", "black")),
        ("tree blue and black trunk", ("tree", "blue", "black")),
        ("blue mug with red handle; black coffee", ("mug", "blue", "red", "black")),
        ("a mug with green handle and drink", ("mug", "blue", "green", "green")),
        ("a mug with green handle and a drink", ("mug", "blue", "green", "brown")),
        # what follows what
        ("blue mug", ("mug", "blue", "blue", "brown")),
        ("a mug with a red body", ("mug", "red", "red", "brown")),
        ("a table with a red top", ("table", "red", "brown")),
        ("a black table with a red top", ("table", "red", "black")),
        ("a red mushroom with a red cap", RED_WHITE),
        # numbers that are right
        ("table with four legs", ("table", "brown", "brown")),
        ("table with 4 black legs", ("table", "brown", "black")),
        # compounds
        ("fir tree", ("tree", "green", "brown")),
        ("a coffee mug", ("mug", "blue", "blue", "brown")),
        ("a red lamp shade", ("lamp", "red", "black")),
        ("a lamp with a lamp-shade", ("lamp", "yellow", "black")),
        ("rocket ship with a blue nose cone", ("rocket", "white", "blue")),
    ],
)
def test_one_thing(prompt, expected):
    assert things(prompt) == [expected]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a striped cube", ("cube", "orange", "striped", "white")),
        ("a striped red cube", ("cube", "red", "striped", "white")),
        ("a red striped cube", ("cube", "red", "striped", "white")),
        ("a stripy white cube", ("cube", "white", "striped", "black")),
        ("a plain red cube", ("cube", "red", "plain", None)),
        ("a solid cube", ("cube", "orange", "plain", None)),
        ("chess board cube", ("cube", "orange", "checkered", "white")),
        ("a red polka dot cube", ("cube", "red", "spotted", "white")),
        # two colors: the first one is the thing's
        ("a red and blue striped cube", ("cube", "red", "striped", "blue")),
        ("red, blue striped cube", ("cube", "red", "striped", "blue")),
        ("a striped red and blue cube", ("cube", "red", "striped", "blue")),
        ("a striped cube in red and blue", ("cube", "red", "striped", "blue")),
        ("a cube striped red and blue", ("cube", "red", "striped", "blue")),
        ("a cube striped with red and blue", ("cube", "red", "striped", "blue")),
        ("a cube with red and blue stripes", ("cube", "red", "striped", "blue")),
        # a color that is said of the pattern
        ("a blue striped red cube", ("cube", "red", "striped", "blue")),
        ("a red blue-striped cube", ("cube", "red", "striped", "blue")),
        ("a red cube, blue striped", ("cube", "red", "striped", "blue")),
        ("a red cube striped blue", ("cube", "red", "striped", "blue")),
        ("a cube striped blue", ("cube", "orange", "striped", "blue")),
        ("a red cube striped with blue", ("cube", "red", "striped", "blue")),
        ("a cube that is striped and red", ("cube", "red", "striped", "white")),
        # marks
        ("a cube with stripes", ("cube", "orange", "striped", "white")),
        ("a red cube with blue polka dots", ("cube", "red", "spotted", "blue")),
        ("a red cube with blue dots on it", ("cube", "red", "spotted", "blue")),
        ("a red cube with dots in blue", ("cube", "red", "spotted", "blue")),
        ("a red cube whose dots are blue", ("cube", "red", "spotted", "blue")),
        ("a red cube, blue dots", ("cube", "red", "spotted", "blue")),
        ("a dotted red cube with blue dots", ("cube", "red", "spotted", "blue")),
        ("a red dotted cube with blue dots", ("cube", "red", "spotted", "blue")),
        ("blue dots on a red cube", ("cube", "red", "spotted", "blue")),
        ("blue and red dots on a cube", ("cube", "blue", "spotted", "red")),
        # on the main part, which may be named
        ("a mushroom with a striped cap", ("mushroom", "red", "striped", "white")),
        ("a mushroom with a blue and gold striped cap", ("mushroom", "blue", "striped", "gold")),
        ("a mushroom whose cap is striped", ("mushroom", "red", "striped", "white")),
        ("a blue mushroom with a white stem and gold dots", ("mushroom", "blue", "spotted", "gold")),
        ("a mushroom with gold dots and a plain stem", ("mushroom", "red", "spotted", "gold")),
        ("a mug with a blue body and red stripes", ("mug", "blue", "striped", "red")),
    ],
)
def test_patterns(prompt, expected):
    assert patterned(prompt) == expected


def test_a_pattern_and_parts_with_colors_of_their_own():
    assert things("a striped green tree, blue trunk") == [("tree", "green", "blue")]
    assert things("a mushroom with white dots and a blue stem") == [("mushroom", "red", "blue")]
    assert things("a red and white striped mushroom with a blue stem") == [("mushroom", "red", "blue")]


def test_words_of_size_and_praise_change_nothing_on_a_thing_alone():
    assert WORDS.parse("a very nice, big, cute red cube!") == WORDS.parse("a red cube")
    assert WORDS.parse("a tiny cube") == WORDS.parse("a HUGE cube") == WORDS.parse("cube")


def test_words_with_two_meanings():
    assert things("a trophy with a red cup", TWOFOLD) == [("trophy", "gold", "red")]
    assert things("a trophy and a red cup", TWOFOLD) == [("trophy", "gold", "gold"), ("cup", "red")]
    assert things("a red cup", TWOFOLD) == [("cup", "red")]
    assert things("a lighthouse with blue stripes", TWOFOLD) == [("lighthouse", "white", "blue")]
    assert things("a vase with a red stripe", TWOFOLD) == [("vase", "blue", "red")]
    assert patterned("a vase with red stripes", TWOFOLD) == ("vase", "blue", "striped", "red")
    assert things("a cup standing on a cube", TWOFOLD) == [("cup", "blue"), ("cube", "orange")]
    assert things("a dummy with a red standing", TWOFOLD) == [("dummy", "gray", "red")]
    assert "'stone' is not understood: materials" in refusal("a stone cube", TWOFOLD)
    assert things("a stand with a red light", TWOFOLD) == [("stand", "gray", "red")]
    assert "'light' is not understood: colors have one shade" in refusal("a light red cube", TWOFOLD)


def test_names_of_several_words():
    usual = [("ice cream", "pink", "gold")]
    for prompt in ("ice cream", "icecream", "Ice-Creams", "an ice cream cone", "ice cream cones", "icecream cone"):
        assert things(prompt, TWOFOLD) == usual
    assert things("ice cream with a red waffle cone", TWOFOLD) == [("ice cream", "pink", "red")]
    assert things("ice cream next to a cone", TWOFOLD) == [*usual, ("cone", "purple")]
    assert "unknown word 'ice creem' (did you mean ice cream?)" in refusal("a red ice creem", TWOFOLD)
