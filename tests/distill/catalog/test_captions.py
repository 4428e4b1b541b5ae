import json
from importlib import resources
from itertools import product

import pytest
import torch

from distill.catalog import captions as c
from distill.catalog.objects import COLOR_SYNONYMS, COLORS, OBJECTS
from guidance.vocabulary import Caption, load_vocabulary

NAMES = [o.name for o in OBJECTS]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_shipped_vocabulary_is_the_catalogs():
    shipped = resources.files("assets").joinpath("embedded/vocabulary.json").read_bytes()
    assert shipped == (json.dumps(c.vocabulary_data(), indent=1) + "\n").encode()


def test_writing_the_vocabulary(tmp_path):
    assert load_vocabulary(c.write_vocabulary(tmp_path)).objects == c.VOCABULARY.objects


# Words


def test_no_word_means_two_things():
    things = [w for o in OBJECTS for w in (o.name, *o.synonyms)]
    colors = [w for name, also in COLOR_SYNONYMS.items() for w in (name, *also)]
    parts = {w for o in OBJECTS for s in o.slots for w in (s.name, *s.synonyms)}
    words = [*things, *colors, *parts]
    assert len(words) == len(set(words))
    for entry in OBJECTS:
        own = [w for s in entry.slots for w in (s.name, *s.synonyms)]
        assert len(own) == len(set(own))


@pytest.mark.parametrize("name", NAMES)
def test_synonyms_and_plurals(name):
    entry = next(o for o in OBJECTS if o.name == name)
    usual = c.VOCABULARY.parse(name)
    for word in entry.synonyms:
        assert c.VOCABULARY.parse(word) == usual
    assert c.VOCABULARY.parse(name + ("es" if name.endswith("s") else "s")) == usual
    for index, slot in enumerate(entry.slots):
        number = f"{slot.count} " if slot.count > 1 else ""
        for word in (slot.name, *slot.synonyms):
            thing = c.VOCABULARY.parse(f"a {name} with {number}silver {word}").things[0]
            assert thing.colors[index] == "silver"


def test_color_synonyms():
    for color, also in COLOR_SYNONYMS.items():
        assert {c.VOCABULARY.parse(f"{w} cube").things[0].colors for w in (color, *also)} == {(color,)}


def test_words_that_mean_something_else_are_not_taken():
    for word in ("stool", "mallet", "tube", "magenta cube", "navy cube", "cyan cube", "rose", "lemon"):
        with pytest.raises(ValueError, match="unknown word"):
            c.VOCABULARY.parse(word)


# Phrases


def test_phrases_parse_back():
    rng = generator()
    drawn = [c.draw(rng, held_out=i % 4 == 0) for i in range(600)]
    assert {len(caption.things) for caption in drawn} == {1, 2}
    assert len(set(drawn)) > 400
    for caption in drawn:
        assert c.VOCABULARY.parse(c.phrase(caption)) == caption
        assert c.VOCABULARY.parse(c.phrase(caption).upper() + "!") == caption


def test_phrases_read_well():
    for prompt in (
        "an orange cube",
        "a red mushroom with an orange stem on a blue table with white legs",
        "a green car with gold wheels and pink windows",
        "a silver robot with a blue head",
    ):
        assert c.phrase(c.VOCABULARY.parse(prompt)) == prompt


# Draws


def test_kinds_are_drawn_evenly_and_pairs_stand_on_supports():
    rng = generator(1)
    drawn = [c.draw_kinds(rng) for _ in range(6000)]
    pairs = [d for d in drawn if len(d) == 2]
    assert len(pairs) / len(drawn) == pytest.approx(c.PAIR_SHARE, abs=0.02)
    assert all(lower in c.SUPPORTS and lower != upper for upper, lower in pairs)
    first = [sum(d[0] == name for d in drawn) / len(drawn) for name in NAMES]
    assert first == pytest.approx([1 / len(NAMES)] * len(NAMES), abs=0.012)


def test_colors_of_parts_are_drawn_now_and_then():
    rng = generator(2)
    drawn = [c.draw_colors("mushroom", rng).colors for _ in range(3000)]
    assert {main for main, _ in drawn} == {stem for _, stem in drawn} == set(COLORS)
    usual = sum(stem == "white" for _, stem in drawn) / len(drawn)
    assert usual == pytest.approx(1 - c.NAMED_SHARE * 13 / 14, abs=0.03)


def test_a_tenth_is_held_out():
    single = [Caption((c.VOCABULARY.thing(kind, color, {}),)) for kind, color in product(NAMES, COLORS)]
    paired = [
        Caption((c.VOCABULARY.thing(a, x, {}), c.VOCABULARY.thing(b, y, {})))
        for a, b, x, y in product(NAMES, c.SUPPORTS, COLORS, COLORS)
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


def test_draws_of_given_kinds():
    rng = generator(4)
    assert all(tuple(t.kind for t in c.draw(rng, kinds=("cone", "cube")).things) == ("cone", "cube") for _ in range(20))
    without = [n for n in NAMES if not c.has_combination((n,), held_out=True)]
    assert without  # a tenth of fourteen colors is sometimes none, and then there is nothing to wait for
    assert not any(Caption((c.VOCABULARY.thing(n, x, {}),)).held_out for n, x in product(without, COLORS))
    with pytest.raises(ValueError, match=f"no combination of colors of {without[0]} is held out"):
        c.draw(rng, held_out=True, kinds=(without[0],))


def test_draws_come_from_the_generator_alone():
    assert c.draw(generator(5)) == c.draw(generator(5))
    assert [c.draw(generator(s)) for s in range(5)] != [c.draw(generator(s)) for s in range(5, 10)]
