"""What is said about prompts that are not understood: always one line that names the words and a way out."""

import pytest

from guidance.vocabulary import Vocabulary
from tests.guidance.words import DATA, TWOFOLD, WORDS, entry, refusal, slot

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
        ("two cubes with a stem", "a cube has no 'stem'; it has one color and no parts"),
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
