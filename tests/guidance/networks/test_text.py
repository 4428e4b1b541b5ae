import hashlib

import pytest
import torch

from guidance.networks.feature_field import GROUPS, PAINTS, THINGS
from guidance.networks.text import BUCKETS, WORDS, SlotText, WordText
from guidance.vocabulary import PATTERNS, RELATIONS, Caption, Thing, load_vocabulary

VOCABULARY = load_vocabulary()
COUNT = len(VOCABULARY.objects)
HEAD = THINGS + 1 + THINGS  # of a row: kinds, relation, patterns


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
    assert [row[THINGS] for row in (pair, single, null)] == [1 + RELATIONS.index("on"), 0, 0]
    assert not torch.stack([pair, single, null])[:, THINGS + 1 : HEAD].any()  # all are plain
    colors = pair[HEAD:].reshape(THINGS, PAINTS, 3)
    expected = {(0, 0): "red", (0, 1): "blue", (1, 0): "gold"}
    for place, name in expected.items():
        assert torch.allclose(colors[place], 2 * torch.tensor(VOCABULARY.colors[name]) - 1)
    assert not colors[0, 2:].any()
    assert not colors[1, 1:].any()
    assert not null[THINGS:].any()
    assert torch.equal(null, slots.null_row())
    assert pair.shape == (slots.row_length,)


def test_slot_rows_hold_relations_and_patterns(slots):
    """Two things beside each other, the second one striped: its second color is the last of its four."""
    things = (VOCABULARY.thing("cube", "red", {}), Thing("cone", ("teal",), "striped", "gold"))
    beside, on = (slots.caption_row(Caption(things, relation)) for relation in RELATIONS[::-1])
    assert (beside[THINGS], on[THINGS]) == (1 + RELATIONS.index("next to"), 1 + RELATIONS.index("on"))
    assert torch.equal(beside[THINGS + 1 :], on[THINGS + 1 :])
    assert beside[THINGS + 1 : HEAD].tolist() == [PATTERNS.index("plain"), PATTERNS.index("striped")]
    colors = beside[HEAD:].reshape(THINGS, PAINTS, 3)
    assert torch.allclose(colors[1, 0], 2 * torch.tensor(VOCABULARY.colors["teal"]) - 1)
    assert torch.allclose(colors[1, -1], 2 * torch.tensor(VOCABULARY.colors["gold"]) - 1)
    assert not colors[0, -1].any()


def test_rows_are_read_back(slots):
    things = (VOCABULARY.thing("cube", "red", {}), Thing("cone", ("teal",), "spotted", "gold"))
    pair = slots.caption_row(Caption(things, "next to"))
    single, null = slots.rows(["a teal car", ""])
    rows = torch.stack([pair, single, null])
    kinds, relation, patterns = slots.places(rows)
    index = list(VOCABULARY.objects).index
    assert kinds.tolist() == [[index("cube"), index("cone")], [index("car"), COUNT], [COUNT, COUNT]]
    assert relation.tolist() == [1 + RELATIONS.index("next to"), 0, 0]
    assert patterns.tolist() == [[0, PATTERNS.index("spotted")], [0, 0], [0, 0]]
    assert slots.present(rows).tolist() == [[True, True], [True, False], [False, False]]
    assert torch.equal(slots.paints(rows), rows[:, HEAD:].view(3, GROUPS, 3))


def test_slot_text_reads_relations_and_patterns(slots):
    """Each changes the vector and no token: what a field says of them comes by another way."""
    things = [VOCABULARY.thing("cube", "red", {}), VOCABULARY.thing("cone", "teal", {})]
    dotted = Thing("cone", ("teal",), "spotted", "teal")
    rows = [slots.caption_row(Caption(tuple(things), relation)) for relation in RELATIONS]
    rows.append(slots.caption_row(Caption((things[0], dotted), "on")))
    vectors, tokens = slots(torch.stack(rows))
    assert not torch.allclose(vectors[0], vectors[1])
    assert not torch.allclose(vectors[0], vectors[2])
    assert torch.equal(tokens[0], tokens[1])


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
    assert tokens.shape == (2, GROUPS, 8)


def test_a_token_tells_whose_slot_it_is_and_its_color_alone(slots):
    """Swapped colors move the paint from one thing's first slot to the other's and change no other token."""
    rows = slots.rows(["a red cube on a blue cylinder", "a blue cube on a red cylinder"])
    _, (a, b) = slots(rows)
    red, blue = (slots.paint(2 * torch.tensor(VOCABULARY.colors[c]) - 1) for c in ("red", "blue"))
    assert torch.allclose(a[0] - red, b[0] - blue, atol=1e-6)
    assert torch.allclose(a[PAINTS] - blue, b[PAINTS] - red, atol=1e-6)
    same = [i for i in range(GROUPS) if i not in (0, PAINTS)]
    assert torch.equal(a[same], b[same])
    assert not torch.allclose(a[0], a[PAINTS])


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
