import hashlib

import pytest
import torch

from guidance.networks.text import BUCKETS, SLOTS, THINGS, WORDS, SlotText, WordText
from guidance.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
COUNT = len(VOCABULARY.objects)


@pytest.fixture
def slots() -> SlotText:
    torch.manual_seed(0)
    return SlotText(VOCABULARY, 8)


@pytest.fixture
def words() -> WordText:
    torch.manual_seed(0)
    text = WordText(8)
    torch.nn.init.normal_(text.positions)
    return text


def test_slot_rows_hold_kinds_and_resolved_colors(slots):
    pair, single, null = slots.rows(["a red mushroom with a blue stem on a gold cube", "a teal car", ""])
    kinds = list(VOCABULARY.objects)
    assert pair[:THINGS].tolist() == [kinds.index("mushroom"), kinds.index("cube")]
    assert single[:THINGS].tolist() == [kinds.index("car"), COUNT]
    assert null[:THINGS].tolist() == [COUNT + 1, COUNT + 1]
    colors = pair[THINGS:].reshape(THINGS, SLOTS, 3)
    expected = {(0, 0): "red", (0, 1): "blue", (1, 0): "gold"}
    for place, name in expected.items():
        assert torch.allclose(colors[place], 2 * torch.tensor(VOCABULARY.colors[name]) - 1)
    assert not colors[0, 2].any()
    assert not null[THINGS:].any()
    assert torch.equal(null, slots.null_row())


def test_slot_rows_depend_on_what_is_meant_alone(slots):
    same = slots.rows(["red toadstool, white stalk", "a red mushroom", "mushroom with a stem"])
    assert torch.equal(same[0], same[1])
    assert torch.equal(same[0], same[2])
    other = slots.rows(["cube on a table", "table on a cube", "a cube", "a blue cube"])
    assert len({tuple(row.tolist()) for row in other}) == 4


def test_slot_text_binds_colors_to_things(slots):
    (a, b), tokens = slots(slots.rows(["a red cube on a blue table", "a blue cube on a red table"]))
    assert a.shape == (3 * 8,)
    assert torch.equal(a[:16], b[:16])
    assert not torch.allclose(a[16:], b[16:])
    assert tokens.shape == (2, THINGS * SLOTS, 8)


def test_a_token_tells_whose_slot_it_is_and_its_color_alone(slots):
    """Swapped colors move the paint from one thing's first slot to the other's and change no other token."""
    rows = slots.rows(["a red cube on a blue cylinder", "a blue cube on a red cylinder"])
    _, (a, b) = slots(rows)
    red, blue = (slots.paint(2 * torch.tensor(VOCABULARY.colors[c]) - 1) for c in ("red", "blue"))
    assert torch.allclose(a[0] - red, b[0] - blue, atol=1e-6)
    assert torch.allclose(a[SLOTS] - blue, b[SLOTS] - red, atol=1e-6)
    same = [i for i in range(THINGS * SLOTS) if i not in (0, SLOTS)]
    assert torch.equal(a[same], b[same])
    assert not torch.allclose(a[0], a[SLOTS])


def test_slot_text_refuses_unknown_words(slots):
    with pytest.raises(ValueError, match="unknown word 'dragon'"):
        slots.rows(["a red cube", "a dragon"])


def test_word_rows_are_hashes(words):
    rows = words.rows(["A red, RED dog!", "", "x " * 40])
    red = 1 + int(hashlib.sha256(b"red").hexdigest(), 16) % (BUCKETS - 1)
    assert rows[0, 1:3].tolist() == [red, red]
    assert rows[0].count_nonzero() == 4
    assert torch.equal(rows[1], words.null_row())
    assert (rows[2] == rows[2, 0]).all()
    assert rows.shape == (3, WORDS)
    assert rows.max() < BUCKETS


def test_word_text_reads_words_and_their_order(words):
    rows = words.rows(["red dog", "dog red", "red cat", "RED dog."])
    (first, swapped, other, same), tokens = words(rows)
    assert torch.equal(first, same)
    assert not torch.allclose(first, swapped)
    assert not torch.allclose(first, other)
    assert tokens.shape == (4, WORDS, 8)
    assert not tokens[0, 2:].any()


def test_a_caption_without_words_is_refused_not_taken_for_the_null(words):
    with pytest.raises(ValueError, match="'!!!' holds no word"):
        words.rows(["a dog", "!!!"])


def test_the_null_caption_is_the_bias(words):
    vector, tokens = words(words.null_row()[None])
    assert torch.equal(vector[0], words.out.bias)
    assert not tokens.any()
