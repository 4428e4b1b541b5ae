"""Prompts as strangers type them, on the catalog's own words: each works, or one line says what to try instead.

The grammar itself is tested in test_vocabulary; here stand whole prompts, misspelled, shouted, foreign and chatty.
"""

import random

import pytest

from distill.catalog.captions import PATTERN_WORDS, VOCABULARY, phrase
from guidance.english import FILLERS, GRAMMAR, RELATION_WORDS
from guidance.english import REFUSED as REFUSED_WORDS

# What was typed, and the plain prompt that means the same.
UNDERSTOOD = {
    # capitals, punctuation, spaces
    "Mushroom": "a red mushroom",
    "RED MUSHROOM WITH WHITE STEM!!!": "a red mushroom with a white stem",
    "  a   blue\tcube \n": "a blue cube",
    "red_car": "a red car",
    "a red, mushroom.": "a red mushroom",
    "“a green cactus”": "a green cactus",
    "(a silver robot)": "a silver robot",
    "a red car ❤️🚗": "a red car",
    "ｙｅｌｌｏｗ　ｄｕｃｋ": "a yellow duck",  # noqa: RUF001
    # politeness and prompt jargon
    "please make me a yellow duck": "a yellow duck",
    "can you create a 3D model of a chair?": "a chair",
    "I want to see a guitar, please": "a guitar",
    "photo of a red car, 4k, highly detailed, masterpiece": "a red car",
    "a very cute little rabbit": "a rabbit",
    # synonyms, plural, names of several words
    "a crimson ball": "a red sphere",
    "violet boxes": "a purple cube",
    "grey kitty": "a gray cat",
    "golden automobile": "a gold car",
    "cactuses": "a cactus",
    "benches": "a bench",
    "an ice cream cone": "an icecream",
    "Ice-Cream": "an icecream",
    "castle tower": "a tower",
    "snow man": "a snowman",
    "a pine tree": "a fir",
    "a small fir tree with a gold trunk": "a fir with a gold trunk",
    "tea pot": "a teapot",
    # two adjectives, colors in odd places
    "a big red ball": "a red sphere",
    "a nice big blue boat": "a blue boat",
    "a boat that is blue": "a blue boat",
    "car, blue, gold wheels": "a blue car with gold wheels",
    "a lamp whose base is red": "a lamp with a red base",
    "a table with four black legs": "a table with black legs",
    # patterns
    "a stripy cat": "a striped orange cat",
    "red and white striped umbrella": "a striped red umbrella",
    "an umbrella with pink polka dots": "a red and pink spotted umbrella",
    "a polka dot mug": "a spotted blue mug",
    "checkerboard cube, black and white": "a black and white checkered cube",
    "a red mushroom with white dots": "a spotted red mushroom",
    "white spots on a red mushroom": "a spotted red mushroom",
    "a black & yellow striped fish with white fins": "a black and yellow striped fish with white fins",
    "a blue vase with white stripes on it": "a striped blue vase",
    # two things
    "a cat on top of a box": "a cat on a cube",
    "a cube under a duck": "a duck on a cube",
    "cat and dog": "a cat next to a dog",
    "a cat to the right of a dog": "a dog next to a cat",
    "a house, a tree": "a house next to a tree",
    "a snowman standing beside a green tree": "a snowman next to a green tree",
    "two red hearts": "a red heart next to a red heart",
    "a red and white striped ball and a blue cube": "a striped red sphere next to a blue cube",
    "the cat sits on the table": "a cat on a table",
}

# What was typed, and what the answer must hold: the words at fault and a way out.
REFUSED = {
    # misspelled
    "a red mushrom": ["'mushrom'", "did you mean mushroom?"],
    "umbrela": ["'umbrela'", "did you mean umbrella?"],
    "a gutiar": ["'gutiar'", "did you mean guitar"],
    "a rde car": ["'rde'", "did you mean red?"],
    "purpel robot": ["'purpel'", "did you mean purple?"],
    "a stirped vase": ["'stirped'", "did you mean striped"],
    "ice creem": ["'ice creem'", "did you mean icecream"],
    "yelow dukc": ["'yelow' (did you mean yellow", "'dukc' (did you mean duck"],
    # unknown things and colors
    "a dragon": ["'dragon'", "`scorelift words`"],
    "a magenta cube": ["'magenta'", "did you mean pink?"],
    "a navy car": ["'navy'", "did you mean blue?"],
    "a banana-powered car": ["'powered'", "leave 'powered' out"],
    # other languages
    "ein roter Würfel": ["'ein'", "'roter'", "'würfel'", "English"],
    "un chat noir": ["'un'", "'chat'", "'noir'", "English"],
    "una casa roja": ["'casa'", "'roja'", "English"],
    "красный дом": ["'красный'", "'дом'", "English"],
    "赤い家": ["'赤い家'", "English"],
    "红色的汽车": ["'红色的汽车'", "English"],
    "بيت أحمر": ["'بيت'", "'أحمر'", "English"],
    "ένας κόκκινος κύβος": ["'ένας'", "English"],
    # emoji, nothing, half a prompt
    "🍄": ["🍄", "write words"],
    "a red 🚗": ["red is a color", "🚗", "write words"],
    "": ["empty"],
    "???": ["lacks the name of a thing"],
    "red": ["red is a color", "lacks the name of a thing"],
    "stripes": ["lacks the name of a thing"],
    "a white stem": ["'stem' is a part of a mushroom"],
    "a cat next to": ["lacks the name of a thing"],
    # adjectives that would change the picture
    "a big shiny red ball": ["'shiny'", "leave it out, or name a color"],
    "a wooden chair": ["'wooden'", "materials are not known"],
    "a transparent glass vase": ["'transparent'", "'glass'"],
    "a light blue car": ["'light'", "name the plain color"],
    "a tall thin tree": ["'tall'", "'thin'", "leave it out"],
    "a happy dog": ["'happy'", "leave it out"],
    "a mushroom with a big cap": ["'big'", "'cap'", "leave it out"],
    "a tiny cat next to a huge dog": ["'tiny' and 'huge'", "sizes"],
    "a rainbow umbrella": ["'rainbow'", "two and a pattern"],
    "plaid sofa": ["'plaid'", "striped, checkered and spotted"],
    "low-poly car": ["'lowpoly'", "styles are not known"],
    "a red car on a white background": ["'background'", "leave it out"],
    # what does not fit together
    "a red and blue car": ["a car takes one color, got red and blue", "red and blue striped car"],
    "a car with a stem": ["a car has no 'stem'", "its parts: body, wheels"],
    "a car with six wheels": ["a car has 4 wheels here, not 6"],
    "three cats": ["one cat is drawn, not 3"],
    "a cat, a dog and a fish": ["more than two things", '"next to"'],
    "a cat on a table next to a lamp": ["more than two things"],
    "a cube on a cactus": ["nothing can stand on a cactus", "cube next to a cactus"],
    "a cat behind a house": ["'behind'", '"next to"'],
    "a duck without eyes": ["'without'", "name their colors instead"],
    "a mushroom with a striped stem": ["not its stem", '"a striped mushroom"'],
    "a striped spotted cat": ["one pattern, got striped and spotted"],
    "a red vase with red stripes": ["red already", "another color"],
}


@pytest.mark.parametrize("prompt", UNDERSTOOD)
def test_what_strangers_mean_is_understood(prompt):
    expected = VOCABULARY.parse(UNDERSTOOD[prompt])
    assert VOCABULARY.parse(prompt) == expected
    assert VOCABULARY.parse(phrase(expected)) == expected


@pytest.mark.parametrize("prompt", REFUSED)
def test_what_is_not_understood_is_named_in_one_line(prompt):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        VOCABULARY.parse(prompt)
    message = str(caught.value)
    assert [part for part in REFUSED[prompt] if part not in message] == [], message
    assert "\n" not in message
    assert len(message) < 500


def test_there_are_at_least_fifty():
    assert len({*UNDERSTOOD, *REFUSED}) == len(UNDERSTOOD) + len(REFUSED) >= 50


def test_any_words_in_any_order_make_a_caption_or_one_line():
    """No prompt of known words crashes, and what is understood can be said plainly and means the same again."""
    draw = random.Random(0)
    parts = [w for o in VOCABULARY.objects.values() for n, s in o["slots"].items() for w in (n, *s["synonyms"])]
    paints = [w for n, p in PATTERN_WORDS.items() for w in (n, *p["marks"])]
    grammar = [w for words in GRAMMAR.values() for w in words.split()] + [*RELATION_WORDS, "next to", "two", "4"]
    pools = [[*VOCABULARY.objects], [*VOCABULARY.colors], parts, paints, grammar, [*FILLERS], [*REFUSED_WORDS]]
    understood, lines = 0, list[str]()
    for _ in range(1500):
        chosen = draw.choices(pools, (5, 5, 3, 3, 8, 1, 0.2), k=draw.randint(1, 8))
        prompt = " ".join(map(draw.choice, chosen))
        try:
            caption = VOCABULARY.parse(prompt)
        except ValueError as error:
            lines.append(str(error))
        else:
            understood += 1
            assert VOCABULARY.parse(phrase(caption)) == caption, prompt
    assert min(understood, len(lines)) > 150
    assert max(map(len, lines)) < 600
    assert not any("\n" in line for line in lines)
