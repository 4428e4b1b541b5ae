"""Vocabularies as data: their things and colors, their files, those of an earlier kind and those that are wrong."""

import json
from typing import cast

import pytest

from guidance.lexicon import WordData
from guidance.vocabulary import Caption, Thing, Vocabulary, load_vocabulary
from tests.guidance.words import DATA, OLD, WORDS, pattern, refusal


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
