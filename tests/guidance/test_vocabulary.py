"""The grammar of prompts on a small vocabulary of its own; the shipped one is tested with the catalog's captions."""

import json

import pytest

from guidance.vocabulary import Caption, Thing, Vocabulary, load_vocabulary


def slot(*synonyms: str, default: str | None = None, count: int = 1) -> dict:
    return {"synonyms": list(synonyms), "default": default, "count": count}


def entry(natural: str, slots: dict, *synonyms: str, support: bool = False) -> dict:
    return {"synonyms": list(synonyms), "natural": natural, "support": support, "slots": slots}


DATA = {
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
        name: {"rgb": [0.1 * i, 0.5, 0.5], "synonyms": {"gray": ["grey"], "gold": ["golden"]}.get(name, [])}
        for i, name in enumerate("red orange yellow green blue purple brown black gray white gold".split())
    },
}
WORDS = Vocabulary(DATA)


def things(prompt: str) -> list[tuple[str, ...]]:
    return [(t.kind, *t.colors) for t in WORDS.parse(prompt).things]


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


ALL = "cube, mushroom, table, tree, mug, lamp, rocket, cone"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", 'the prompt is empty: name a thing, for example "a red mushroom"'),
        (" \n", 'the prompt is empty: name a thing, for example "a red mushroom"'),
        ("?!", f'"?!" lacks the name of a thing; known things: {ALL}'),
        ("a photo of", f'"a photo of" lacks the name of a thing; known things: {ALL}'),
        ("orange", f'"orange" lacks the name of a thing; orange is a color here; known things: {ALL}'),
        ("a red\nhat", "\"a red hat\" lacks the name of a thing; 'hat' is a part of a mushroom"),
        ("on a cube", f'"on a cube" lacks the name of a thing; known things: {ALL}'),
        # unknown words, with the nearest known ones
        ("red mushrom", "unknown word 'mushrom' (did you mean mushroom?); `scorelift words` lists all"),
        ("a dragon", f"unknown word 'dragon'; the known things are {ALL}"),
        ("a shiny cube", "unknown word 'shiny'; leave 'shiny' out, or see `scorelift words`"),
        (
            "big shiny mushrom",
            "unknown words 'big', 'shiny', 'mushrom' (did you mean mushroom?); "
            "leave 'big' and 'shiny' out, or see `scorelift words`",
        ),
        ("ένας κύβος", f"unknown words 'ένας', 'κύβος'; the known things are {ALL}"),
        (
            "a cube without a body",
            "'without' is not understood: parts cannot be left out; name their colors instead",
        ),
        (
            "a cone next to a cube",
            '\'next\' is not understood: the one relation between things is "on", as in "a mushroom on a cube"',
        ),
        # colors without a place
        ("a red and white cube", "a cube takes one color, got red and white; name one"),
        ("a red blue cube", "a cube takes one color, got red and blue; name one"),
        (
            "a red and white mushroom",
            "a mushroom takes one color, got red and white; say which part has the other, as in 'with white stem'",
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
        ("two cubes", "one cube is drawn, not 2; leave the number out"),
        ("cube 7", "the number 7 counts nothing; leave it out"),
        # things that do not fit
        ("a tree and a cube", 'tree and cube do not stand side by side; write "a tree on a cube"'),
        ("a cube on a tree", "nothing can stand on a tree here; things can stand on: cube, table"),
        ("tree on cube on table", '"tree on cube on table" stacks more than two things; use at most one "on"'),
    ],
)
def test_what_is_not_understood_is_one_clear_line(prompt, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        WORDS.parse(prompt)
    assert str(caught.value) == message


def test_numbers_and_colors_of_a_thing():
    upper, lower = WORDS.parse("a gold mushroom on a grey table").things
    assert [WORDS.index(upper), WORDS.index(lower)] == [1, 2]
    assert WORDS.rgb(upper) == [DATA["colors"][c]["rgb"] for c in ("gold", "white")]
    assert WORDS.thing("mug", "red", {1: "blue"}) == Thing("mug", ("red", "blue", "brown"))
    assert WORDS.thing("mug", None, {}) == Thing("mug", ("blue", "blue", "brown"))


def test_held_out_looks_at_kinds_and_main_colors_alone():
    colors = [f"c{i}" for i in range(2000)]
    held = [Caption((Thing("cube", (c,)),)).held_out for c in colors]
    assert 0.08 < sum(held) / len(held) < 0.12
    assert held == [Caption((Thing("cube", (c, "other")),)).held_out for c in colors]
    assert held != [Caption((Thing("tree", (c,)),)).held_out for c in colors]
    assert held != [Caption((Thing("cube", (c,)), Thing("table", ("red",)))).held_out for c in colors]


def test_vocabularies_are_read_from_files(tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(DATA), encoding="utf-8")
    read = load_vocabulary(path)
    assert read.objects == DATA["objects"]
    assert read.parse("red mushroom") == WORDS.parse("red mushroom")
    assert "snowman" in load_vocabulary().objects
