"""The grammar of prompts on a small vocabulary of its own; the shipped one is tested with the catalog's captions."""

import json
from typing import cast

import pytest

from guidance.lexicon import ObjectEntry, PatternEntry, SlotEntry, WordData
from guidance.vocabulary import Caption, Thing, Vocabulary, load_vocabulary


def slot(*synonyms: str, default: str | None = None, count: int = 1) -> SlotEntry:
    return {"synonyms": list(synonyms), "default": default, "count": count}


def pattern(*synonyms: str, marks: str = "") -> PatternEntry:
    return {"synonyms": list(synonyms), "marks": marks.split(", ") if marks else []}


def entry(natural: str, slots: dict[str, SlotEntry], *synonyms: str, support: bool = False) -> ObjectEntry:
    return {"synonyms": list(synonyms), "natural": natural, "support": support, "slots": slots}


DATA: WordData = {
    "objects": {
        "cube": entry("orange", {"body": slot()}, "box", "block", support=True),
        "mushroom": entry("red", {"cap": slot("hat"), "stem": slot("stalk", default="white")}, "toadstool"),
        "table": entry("brown", {"top": slot(), "legs": slot("leg", count=4)}, support=True),
        "tree": entry("green", {"crown": slot("leaves"), "trunk": slot(default="brown")}, "fir"),
        "mug": entry("blue", {"body": slot(), "handle": slot(), "drink": slot("coffee", default="brown")}),
        "lamp": entry("yellow", {"shade": slot("lampshade"), "base": slot(default="black")}),
        "rocket": entry("white", {"body": slot(), "nose": slot("nosecone", default="red")}, "rocketship"),
        "cone": entry("purple", {"body": slot()}),
    },
    "colors": {
        name: {
            "rgb": [0.1 * i, 0.5, 0.5],
            "synonyms": {"gray": ["grey"], "gold": ["golden"]}.get(name, []),
            "second": "black" if name in ("white", "yellow") else "white",
        }
        for i, name in enumerate("red orange yellow green blue purple brown black gray white gold".split())
    },
    "patterns": {
        "plain": pattern("solid"),
        "striped": pattern("stripy", marks="stripes, stripe"),
        "checkered": pattern("chess board", marks="checks"),
        "spotted": pattern("dotted", marks="dots, spots, polka dots, polka dot"),
    },
    "relations": ["on", "next to"],
}
WORDS = Vocabulary(DATA)
# As written before there were patterns and "next to".
OLD: WordData = {
    "objects": DATA["objects"],
    "colors": {n: {"rgb": c["rgb"], "synonyms": c["synonyms"]} for n, c in DATA["colors"].items()},
}
# Words with more than one meaning: a thing that is also a part, marks that are parts, everyday words that are parts.
TWOFOLD = Vocabulary(
    {
        **DATA,
        "objects": {
            **DATA["objects"],
            "cup": entry("blue", {"body": slot()}),
            "trophy": entry("gold", {"body": slot(), "cup": slot()}),
            "vase": entry("blue", {"body": slot(), "band": slot("stripe", default="gold")}),
            "lighthouse": entry("white", {"walls": slot(), "stripes": slot("stripe", default="red")}),
            "stand": entry("gray", {"body": slot(), "light": slot(default="yellow")}),
            "dummy": entry("gray", {"body": slot(), "standing": slot("stone", default="black")}),
            "ice cream": entry("pink", {"scoop": slot(), "waffle cone": slot(default="gold")}, "ice cream cone"),
            "rabbit": entry("gray", {"body": slot(), "nose": slot("eyes", default="red")}),
            "anchor": entry("gray", {"body": slot()}),
        },
    }
)


def things(prompt: str, words: Vocabulary = WORDS) -> list[tuple[str, ...]]:
    return [(t.kind, *t.colors) for t in words.parse(prompt).things]


def patterned(prompt: str, words: Vocabulary = WORDS) -> tuple[str | None, ...]:
    """Kind, main color, pattern and its color of the one thing of a prompt."""
    caption = words.parse(prompt)
    (thing,) = caption.things
    assert caption.relation is None
    return thing.kind, thing.colors[0], thing.pattern, thing.second


def refusal(prompt: str, words: Vocabulary = WORDS) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        words.parse(prompt)
    return str(caught.value)


RED_WHITE = ("mushroom", "red", "white")


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


ALL = "cube, mushroom, table, tree, mug, lamp, rocket, cone"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", 'the prompt is empty: name a thing, for example "a red mushroom"'),
        (" \n", 'the prompt is empty: name a thing, for example "a red mushroom"'),
        ("?!", f'"?!" lacks the name of a thing; the known things are {ALL}'),
        ("a photo of", f'"a photo of" lacks the name of a thing; the known things are {ALL}'),
        ("orange", f'"orange" lacks the name of a thing; orange is a color here; the known things are {ALL}'),
        ("a red\nhat", "\"a red hat\" lacks the name of a thing; 'hat' is a part of a mushroom"),
        ("on a cube", f'"on a cube" lacks the name of a thing; the known things are {ALL}'),
        # unknown words, with the nearest known ones
        ("red mushrom", "unknown word 'mushrom' (did you mean mushroom?); `scorelift words` lists all"),
        ("a dragon", f"unknown word 'dragon'; the known things are {ALL}"),
        ("a loud cube", "unknown word 'loud'; leave 'loud' out, or see `scorelift words`"),
        (
            "big loud clever mushrom",
            "unknown words 'loud', 'clever', 'mushrom' (did you mean mushroom?); "
            "leave 'loud' and 'clever' out, or see `scorelift words`",
        ),
        (
            "ένας κύβος",
            f"unknown words 'ένας', 'κύβος'; prompts are English here, as in \"a cube\"; the known things are {ALL}",
        ),
        (
            "a cube without a body",
            "'without' is not understood: parts cannot be left out; name their colors instead",
        ),
        (
            "a cone behind a cube",
            '\'behind\' is not understood: two things stand "on" or "next to" each other, as in "a mushroom on a cube"',
        ),
        # colors without a place
        (
            "a red and white cube",
            "a cube takes one color, got red and white; name a pattern, as in 'red and white striped cube'",
        ),
        ("a red blue gold cube", "a cube takes one color, got red and blue and gold; name one"),
        (
            "a red and white mushroom",
            "a mushroom takes one color, got red and white; say which part has the other, as in 'with white stem', "
            "or name a pattern, as in 'red and white striped mushroom'",
        ),
        ("cube with red", 'the color red belongs to no part; name one, as in "with a red stem", or drop it'),
        ("a tree with black and white trunk", "'trunk' takes one color, got black and white; name one"),
        ("a tree with red trunk, blue trunk", "the trunk of the tree is called red and blue; name one color"),
        ("a red mushroom with a blue cap", "the cap of the mushroom is called red and blue; name one color"),
        # parts and numbers that do not fit
        ("a tree with a handle", "a tree has no 'handle'; its parts: crown, trunk"),
        ("a cube with a stem", "a cube has no 'stem'; it has one color and no parts"),
        ("a tree on a cube with red legs", "a cube has no 'legs'; it has one color and no parts"),
        ("table with three legs", "a table has 4 legs here, not 3; leave the number out"),
        ("three cubes", "one cube is drawn, not 3; leave the number out"),
        ("two cubes on a table", "one cube is drawn, not 2; leave the number out"),
        ("cube 7", "the number 7 counts nothing; leave it out"),
        # things that do not fit
        ("a tree cube", 'tree and cube are two things; say how they stand, as in "a tree next to a cube"'),
        (
            "a tree with a cube",
            "a tree has no 'cube', which is a thing of its own; say how they stand, as in \"a tree next to a cube\"",
        ),
        (
            "a cube on a tree",
            'nothing can stand on a tree here; things can stand on: cube, table; or write "a cube next to a tree"',
        ),
        (
            "tree on cube on table",
            '"tree on cube on table" holds more than two things; name at most two, with one "on" or "next to"',
        ),
        (
            "a tree, a cube and a cone",
            '"a tree, a cube and a cone" holds more than two things; name at most two, with one "on" or "next to"',
        ),
        (
            "a tree and a cube on a table",
            '"a tree and a cube on a table" holds more than two things; name at most two, with one "on" or "next to"',
        ),
        (
            "a table, on it a cube",
            '"a table, on it a cube" leaves open what \'it\' is; name both things, as in "A on B"',
        ),
        # patterns that do not fit
        ("a striped dotted cube", "a thing takes one pattern, got striped and spotted; name one"),
        ("a striped cube with dots", "a thing takes one pattern, got striped and spotted; name one"),
        (
            "a cube with red and white and blue stripes",
            "'stripes' takes one color, got red and white and blue; name one",
        ),
        ("a red cube with red stripes", "a cube is red already; name another color for what is striped on it"),
        (
            "a mushroom with a striped stem",
            'a pattern covers the cap of a mushroom, not its stem; write "a striped mushroom"',
        ),
        (
            "a mushroom whose stem is dotted",
            'a pattern covers the cap of a mushroom, not its stem; write "a spotted mushroom"',
        ),
        ("a cube with three stripes", "how many stripes there are is not chosen here; leave the number out"),
        # adjectives that would change the picture
        ("a shiny cube", "'shiny' is not understood: materials are not known; leave it out, or name a color"),
        (
            "a shiny wooden dark cube",
            "'shiny', 'wooden' are not understood: materials are not known; leave it out, or name a color; "
            "'dark' is not understood: colors have one shade each; name the plain color",
        ),
        (
            "a shiny loud cube",
            "'shiny' is not understood: materials are not known; leave it out, or name a color; "
            "unknown word 'loud'; leave 'loud' out, or see `scorelift words`",
        ),
        ("a tiny cone next to a huge cube", "the sizes of cone and cube are fixed; leave 'tiny' and 'huge' out"),
        ("a mushroom with a big cap", "'big' would change the size of 'cap', which is fixed; leave it out"),
        ("a cube with big dots", "'big' would change the size of 'dots', which is fixed; leave it out"),
    ],
)
def test_what_is_not_understood_is_one_clear_line(prompt, message):
    assert refusal(prompt) == message


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


def test_numbers_of_a_synonym_are_not_checked_against_another_part():
    assert refusal("a rabbit with two eyes", TWOFOLD) == (
        "how many eyes a rabbit has is not chosen here; leave the number out"
    )
    assert refusal("an anchor with a stem", TWOFOLD).startswith("an anchor has no 'stem'")


def test_misspelled_words_are_suggested():
    for prompt, meant in {
        "a rde cube": "red",
        "a stirped cube": "striped",
        "a cube with poka dots": "polka dots",
        "a navy cube": "blue",
        "a mushroom wiht dots": "with",
        "a cube nxet to a cone": "next",
        "cuube": "cube",
    }.items():
        assert f"did you mean {meant}" in refusal(prompt)


def test_whatever_is_typed_is_answered_in_one_short_line():
    for prompt in (
        "x" * 10_000,
        "9" * 10_000,
        "cube " * 500,
        "a " * 500,
        "qu wx " * 500,
        "🍄" * 500,
        "\0",
        "a\u202eb",
    ):
        message = refusal(prompt) if prompt[:4] != "cube" else WORDS.parse(prompt) and ""
        assert len(message) < 400
        assert "\n" not in message


def test_many_things_are_not_all_named():
    many = {f"thing{i}x": entry("red", {"body": slot()}) for i in range(40)}
    message = refusal("a dragon", Vocabulary({**DATA, "objects": many}))
    assert message.startswith(
        "unknown word 'dragon'; `scorelift words` lists the 40 known things, such as thing0x, thing5x"
    )
    assert message.count("thing") == 9


def test_numbers_and_colors_of_a_thing():
    upper, lower = WORDS.parse("a gold mushroom on a grey table").things
    assert [WORDS.index(upper), WORDS.index(lower)] == [1, 2]
    assert WORDS.rgb(upper) == [DATA["colors"][c]["rgb"] for c in ("gold", "white")]
    assert WORDS.thing("mug", "red", {1: "blue"}) == Thing("mug", ("red", "blue", "brown"))
    assert WORDS.thing("mug", None, {}) == Thing("mug", ("blue", "blue", "brown"))


def test_second_colors():
    assert WORDS.thing("cube", "red", {}, "striped") == Thing("cube", ("red",), "striped", "white")
    assert WORDS.thing("cube", "white", {}, "striped") == Thing("cube", ("white",), "striped", "black")
    assert WORDS.thing("mushroom", "blue", {0: "yellow"}, "spotted").second == "black"  # what the pattern lies on
    assert WORDS.thing("cube", "red", {}, "plain", "blue") == Thing("cube", ("red",))
    with pytest.raises(ValueError, match="a cube is red already"):
        WORDS.thing("cube", "red", {}, "striped", "red")


def test_held_out_looks_at_kinds_and_main_colors_alone():
    colors = [f"c{i}" for i in range(2000)]
    held = [Caption((Thing("cube", (c,)),)).held_out for c in colors]
    assert 0.08 < sum(held) / len(held) < 0.12
    assert held == [Caption((Thing("cube", (c, "other")),)).held_out for c in colors]
    assert held != [Caption((Thing("tree", (c,)),)).held_out for c in colors]
    assert held != [Caption((Thing("cube", (c,)), Thing("table", ("red",))), "on").held_out for c in colors]
    assert held == [Caption((Thing("cube", (c,), "striped", "white"),)).held_out for c in colors]


def test_vocabularies_are_read_from_files(tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(DATA), encoding="utf-8")
    read = load_vocabulary(path)
    assert read.objects == DATA["objects"]
    assert read.parse("red mushroom") == WORDS.parse("red mushroom")
    assert read.parse("striped cube next to cone") == WORDS.parse("striped cube next to cone")
    assert "snowman" in load_vocabulary().objects


def test_a_vocabulary_of_before_patterns_has_none_and_knows_on_alone():
    old = Vocabulary(OLD)
    assert old.parse("a mushroom on a blue cube") == WORDS.parse("a mushroom on a blue cube")
    assert (old.patterns, old.relations, WORDS.relations) == ({}, ("on",), ("on", "next to"))
    assert refusal("a striped cube", old) == "unknown word 'striped'; leave 'striped' out, or see `scorelift words`"
    message = 'this teacher knows no "next to"; things stand "on" each other, as in "a cone on a cube"'
    assert refusal("a cone next to a cube", old) == refusal("a cone and a cube", old) == message
    assert refusal("two cubes", old) == "one cube is drawn, not 2; leave the number out"
    assert refusal("a cube on a tree", old) == "nothing can stand on a tree here; things can stand on: cube, table"
    assert refusal("a red and white cube", old) == "a cube takes one color, got red and white; name one"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patterns": {"wavy": pattern()}}, "the vocabulary names wavy; there are the patterns plain, striped"),
        ({"relations": ["on", "inside"]}, "the vocabulary names inside; .*and the relations on, next to"),
        ({"colors": OLD["colors"]}, "the second color of red is ''; patterns need another color of the vocabulary"),
        ({"colors": {"red": {"rgb": [1, 0, 0], "synonyms": [], "second": "red"}}}, "the second color of red is 'red'"),
    ],
)
def test_vocabularies_that_contradict_themselves_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(cast(WordData, {**DATA, **change}))
