import json
import math
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import product

import pytest
import torch

from distill.catalog import captions as c
from distill.catalog.objects import COLOR_SYNONYMS, COLORS, OBJECTS
from guidance.english import GRAMMAR, NUMBERS, RELATION_WORDS, plurals
from guidance.vocabulary import PATTERNS, Caption, Thing, load_vocabulary

NAMES = [o.name for o in OBJECTS]
SLOTS = {o.name: o.slots for o in OBJECTS}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_shipped_vocabulary_is_the_catalogs():
    shipped = resources.files("assets").joinpath("embedded/vocabulary.json").read_bytes()
    assert shipped == (json.dumps(c.vocabulary_data(), indent=1) + "\n").encode()


def test_writing_the_vocabulary(tmp_path):
    path = c.write_vocabulary(tmp_path)
    assert path.read_bytes() == (json.dumps(c.vocabulary_data(), indent=1) + "\n").encode()
    read = load_vocabulary(path)
    assert (read.objects, read.patterns, read.relations) == (
        c.VOCABULARY.objects,
        c.VOCABULARY.patterns,
        ("on", "next to"),
    )


# Words


def forms(words) -> set[str]:
    return {form for word in words for form in (word, *plurals(word))}


def test_no_word_means_two_things():
    """Parts may share a word with each other, and with a thing: which of them is meant, the prompt tells."""
    things = [{o.name, *o.synonyms} for o in OBJECTS]
    colors = [{name, *also} for name, also in COLOR_SYNONYMS.items()]
    paints = [{name, *p["synonyms"], *p["marks"]} for name, p in c.PATTERN_WORDS.items()]
    words = [w for group in (*things, *colors, *paints) for w in forms(group)]
    assert len(words) == len(set(words))
    grammar = {w for words in (*GRAMMAR.values(), " ".join(RELATION_WORDS)) for w in words.split()} | {*NUMBERS}
    assert grammar.isdisjoint(words)
    parts = forms(w for o in OBJECTS for s in o.slots for w in (s.name, *s.synonyms))
    assert parts.isdisjoint(grammar | forms(w for group in colors for w in group))
    for entry in OBJECTS:
        own = [w for s in entry.slots for w in (s.name, *s.synonyms)]
        assert len(own) == len(set(own))


@pytest.mark.parametrize("name", NAMES)
def test_synonyms_and_plurals(name):
    entry = next(o for o in OBJECTS if o.name == name)
    usual = c.VOCABULARY.parse(name)
    for word in entry.synonyms:
        assert c.VOCABULARY.parse(word) == usual
    for word in plurals(name):
        assert c.VOCABULARY.parse(word) == usual
    for index, slot in enumerate(entry.slots):
        number = f"{slot.count} " if slot.count > 1 else ""
        for word in (slot.name, *slot.synonyms):
            thing = c.VOCABULARY.parse(f"a {name} with {number}silver {word}").things[0]
            assert thing.colors[index] == "silver"


def test_color_synonyms():
    for color, also in COLOR_SYNONYMS.items():
        assert {c.VOCABULARY.parse(f"{w} cube").things[0].colors for w in (color, *also)} == {(color,)}


def test_pattern_synonyms():
    usual = {"striped": "white", "checkered": "white", "spotted": "white", "plain": None}
    assert set(c.PATTERN_WORDS) == set(usual) == set(PATTERNS)
    for pattern, words in c.PATTERN_WORDS.items():
        expected = Thing("cube", ("red",), pattern, usual[pattern])
        for word in (pattern, *words["synonyms"]):
            assert c.VOCABULARY.parse(f"a {word} red cube").things == (expected,)
        for word in words["marks"]:
            assert c.VOCABULARY.parse(f"a red cube with {word}").things == (expected,)
            assert c.VOCABULARY.parse(f"a {word} red cube").things == (expected,)
            blue = c.VOCABULARY.parse(f"a red cube with blue {word}").things[0]
            assert (blue.pattern, blue.second) == (pattern, "blue")


def test_patterns_show_on_every_color():
    data = c.vocabulary_data()["colors"]
    assert {name for name, entry in data.items() if entry.get("second") == "black"} == {"white", "silver", "yellow"}
    for name, entry in data.items():
        second = data[entry.get("second", "")]["rgb"]
        assert math.dist(entry["rgb"], second) > 0.45, name


def test_words_that_mean_something_else_are_not_taken():
    for word in ("stool", "mallet", "tube", "magenta cube", "navy cube", "cyan cube", "lemon cube"):
        with pytest.raises(ValueError, match="unknown word"):
            c.VOCABULARY.parse(word)


# Phrases


@cache
def captions() -> tuple[Caption, ...]:
    rng = generator()
    return tuple(c.draw(rng, held_out=i % 8 == 0) for i in range(2000))


def test_phrases_parse_back():
    drawn = captions()
    assert {caption.relation for caption in drawn} == {None, "on", "next to"}
    assert {t.pattern for caption in drawn for t in caption.things} == set(PATTERNS)
    assert {t.kind for caption in drawn for t in caption.things} == set(NAMES)
    assert len(set(drawn)) > 1850
    for caption in drawn:
        assert c.VOCABULARY.parse(c.phrase(caption)) == caption
    for caption in drawn[:100]:
        assert c.VOCABULARY.parse(c.phrase(caption).upper() + "!") == caption


def test_phrases_in_other_words_mean_the_same():
    """A pattern may be said as marks, and a pair the other way round."""
    compared = 0
    for caption in captions()[:700]:
        if len(caption.things) == 1 and caption.things[0].pattern != "plain":
            (thing,) = caption.things
            marks = {"striped": "stripes", "checkered": "checks", "spotted": "dots"}[thing.pattern]
            slots = SLOTS[thing.kind]
            if marks in {w for s in slots for w in (s.name, *s.synonyms)}:
                continue  # the stripes of a lighthouse are a part of it
            plain = replace(thing, pattern="plain", second=None)
            other = f"{thing.second} {marks} on {c.phrase(Caption((plain,)))}"
        elif caption.relation == "next to":
            other = " to the right of ".join(c.phrase(Caption((t,))) for t in caption.things[::-1])
        elif caption.relation == "on":
            other = " under ".join(c.phrase(Caption((t,))) for t in caption.things[::-1])
        else:
            continue
        assert c.VOCABULARY.parse(other) == caption, other
        compared += 1
    assert compared > 350


def test_phrases_read_well():
    for prompt in (
        "an orange cube",
        "a red mushroom with an orange stem on a blue table with white legs",
        "a green car with gold wheels and pink windows",
        "a silver robot with a blue head",
        "a striped red mushroom",
        "a striped yellow mushroom",
        "a red and blue striped mushroom with an orange stem",
        "an orange and black spotted cube next to a checkered teal table",
    ):
        assert c.phrase(c.VOCABULARY.parse(prompt)) == prompt


# Draws


def test_layouts_are_drawn_by_their_shares():
    rng = generator(1)
    drawn = [c.draw_layout(rng) for _ in range(5000)]
    for relation, share in {None: 0.45, "on": 0.35, "next to": 0.2}.items():
        pairs = [d for d in drawn if d.relation == relation]
        assert len(pairs) / len(drawn) == pytest.approx(share, abs=0.02)
        assert {len(d.kinds) for d in pairs} == {len(d.patterns) for d in pairs} == {1 if relation is None else 2}
    piles = [d.kinds for d in drawn if d.relation == "on"]
    assert all(lower in c.SUPPORTS and lower != upper for upper, lower in piles)
    beside = [d.kinds[1] for d in drawn if d.relation == "next to"]
    assert set(beside) == set(NAMES)  # anything stands next to anything
    first = [sum(d.kinds[0] == name for d in drawn) / len(drawn) for name in NAMES]
    assert first == pytest.approx([1 / len(NAMES)] * len(NAMES), abs=0.008)
    patterns = [p for d in drawn for p in d.patterns]
    for pattern in PATTERNS:
        share = 1 - c.PATTERNED_SHARE if pattern == "plain" else c.PATTERNED_SHARE / 3
        assert patterns.count(pattern) / len(patterns) == pytest.approx(share, abs=0.02)


def test_second_colors_are_never_the_main_one():
    rng = generator(8)
    drawn = [c.draw_colors("cube", "striped", rng) for _ in range(4000)]
    assert all(t.pattern == "striped" and t.second not in (None, t.colors[0]) for t in drawn)
    assert {t.second for t in drawn} == set(COLORS)
    usual = sum(t.second == ("black" if t.colors[0] in c.LIGHT else "white") for t in drawn) / len(drawn)
    assert usual == pytest.approx(c.USUAL_SHARE + (1 - c.USUAL_SHARE) / 13, abs=0.03)
    plain = [c.draw_colors("cube", "plain", rng) for _ in range(20)]
    assert all((t.pattern, t.second) == ("plain", None) for t in plain)


def test_colors_of_parts_are_drawn_now_and_then():
    rng = generator(2)
    drawn = [c.draw_colors("mushroom", "plain", rng).colors for _ in range(3000)]
    assert {main for main, _ in drawn} == {stem for _, stem in drawn} == set(COLORS)
    usual = sum(stem == "white" for _, stem in drawn) / len(drawn)
    assert usual == pytest.approx(1 - c.NAMED_SHARE * 13 / 14, abs=0.03)


def test_a_tenth_is_held_out():
    single = [Caption((c.VOCABULARY.thing(kind, color, {}),)) for kind, color in product(NAMES, COLORS)]
    paired = [
        Caption((c.VOCABULARY.thing(a, x, {}), c.VOCABULARY.thing(b, y, {})), relation)
        for a, b, x, y, relation in product(NAMES[::3], c.SUPPORTS[::2], ["red", "blue"], COLORS, ("on", "next to"))
    ]
    for captions, tolerance in ((single, 0.04), (paired, 0.01)):
        assert sum(caption.held_out for caption in captions) / len(captions) == pytest.approx(0.1, abs=tolerance)


def test_training_draws_and_held_out_draws_are_disjoint():
    rng = generator(3)
    trained = {c.phrase(c.draw(rng)) for _ in range(400)}
    held = {c.phrase(c.draw(rng, held_out=True)) for _ in range(100)}
    assert not any(c.VOCABULARY.parse(p).held_out for p in trained)
    assert all(c.VOCABULARY.parse(p).held_out for p in held)
    assert trained.isdisjoint(held)


def test_draws_of_a_given_layout():
    rng = generator(4)
    layout = c.Layout(("cone", "cube"), ("plain", "spotted"), "next to")
    for _ in range(20):
        caption = c.draw(rng, layout=layout)
        assert caption.relation == "next to"
        assert [(t.kind, t.pattern) for t in caption.things] == [("cone", "plain"), ("cube", "spotted")]


def test_layouts_without_held_out_colors():
    rng = generator(4)
    alone = {n: c.Layout((n,), ("striped",)) for n in NAMES}
    without = [n for n in NAMES if not c.has_combination(alone[n], held_out=True)]
    assert without  # a tenth of fourteen colors is sometimes none, and then there is nothing to wait for
    assert not any(Caption((c.VOCABULARY.thing(n, x, {}),)).held_out for n, x in product(without, COLORS))
    assert all(c.has_combination(layout, held_out=False) for layout in alone.values())
    with pytest.raises(ValueError, match=f"no combination of colors of {without[0]} is held out"):
        c.draw(rng, held_out=True, layout=alone[without[0]])


def test_draws_come_from_the_generator_alone():
    assert c.draw(generator(5)) == c.draw(generator(5))
    assert [c.draw(generator(s)) for s in range(5)] != [c.draw(generator(s)) for s in range(5, 10)]
