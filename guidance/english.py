"""The English around a teacher's own words: the same for every vocabulary, and no code but its smallest helpers.

Three kinds of words are not in a vocabulary. Those that change nothing in the picture are passed over (FILLERS). Those
of the grammar stand in GRAMMAR. Those that would change it in a way that cannot be drawn are refused by name, with what
to write instead (REFUSED): silence about them would be a lie.
"""

import re
from typing import Literal

Role = Literal[
    "thing", "part", "color", "pattern", "mark", "size", "number", "article", "and", "link", "relation", "it"
]

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
GRAMMAR: dict[Role, str] = {
    "article": "a an the its his her my your our their some any this that these those another",
    "and": "and & +",
    "link": "with has having have , ; : .",
    "it": "it them",
    # A single thing fills the picture whatever its size; of two things sizes are refused, and so they are of parts.
    "size": "big large huge giant gigantic enormous massive small little tiny mini miniature",
}
RELATION_WORDS: dict[str, str] = {  # word -> relation; "under" and "right of" are relations said the other way round
    **dict.fromkeys("on atop upon onto".split(), "on"),
    **dict.fromkeys("under beneath below underneath supporting".split(), "under"),
    **dict.fromkeys("beside besides near by alongside leftof".split(), "next to"),
    "rightof": "right of",
}
# Phrases of several words, rewritten in this order before words are looked at.
_SIDE = r"(?:(?:to|on|at) (?:the |its |his |her )?)?{}(?:[- ]hand)?(?: side)? of\b"
PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b{pattern}"), word)
    for pattern, word in (
        (r"on (the )?top of\b", "on"),
        (_SIDE.format("left"), "leftof"),
        (_SIDE.format("right"), "rightof"),
        (r"side by side with\b", "beside"),
        (r"(right )?(next|close|adjacent|near) to\b", "beside"),
        (r"(beside|near|by|alongside) (each other|one another)\b", " "),
        (r"(side by side|together)\b", " "),
        (r"all over( it)?\b", " "),
        (r"low[- ]poly\b", "lowpoly"),
    )
)
FILLERS = frozenset(
    # politeness, frames and verbs
    "of in is are which whose single please make create generate draw render show give me i we want need would like "
    "can could you us see to get let there here made created photo photograph picture image images drawing rendering "
    "3d model mesh asset object thing item style color colors colour colours colored coloured painted standing stands "
    "stand sitting sits sit placed put resting rests lying lies lays "
    # praise
    "very really so just quite simple nice cute lovely beautiful pretty adorable sweet cool awesome amazing great good "
    "perfect best fancy funny elegant classic classical traditional ordinary typical usual normal regular standard "
    "basic real realistic photorealistic detailed highly high quality resolution hd 4k 8k masterpiece favorite "
    "favourite new fresh toy bright vivid pure".split()
)


def _reasons(*groups: tuple[str, str]) -> dict[str, str]:
    return {word: why for words, why in groups for word in words.split()}


REFUSED = _reasons(
    ("without no not minus except", "parts cannot be left out; name their colors instead"),
    (
        "next beside near left right behind front between around above over inside into within through against",
        'two things stand "on" or "next to" each other, as in "a mushroom on a cube"',
    ),
    (
        "shiny glossy matte metallic metal metals wood wooden glass plastic stone paper leather rubber chrome steel "
        "iron copper bronze marble clay ceramic porcelain transparent translucent clear furry fluffy fuzzy hairy "
        "smooth rough rusty wet glowing luminous sparkly sparkling glittery",
        "materials are not known; leave it out, or name a color",
    ),
    (
        "dark light pale pastel deep neon dull faded sky",
        "colors have one shade each; name the plain color",
    ),
    (
        "colorful colourful multicolored multicoloured rainbow",
        'name one color, or two and a pattern, as in "a red and white striped cube"',
    ),
    (
        "tall short long thick thin wide narrow flat fat slim skinny chubby tilted round square curved pointy",
        "proportions are fixed; leave it out",
    ),
    (
        "happy sad angry smiling laughing crying running jumping flying swimming walking dancing sleeping eating "
        "wearing holding riding open opened closed broken old ancient half burning melting",
        "poses and states are fixed; leave it out",
    ),
    (
        "background room scene landscape ground floor garden forest sea ocean water street kitchen beach",
        "an asset stands alone, without surroundings; leave it out",
    ),
    ("cartoon anime voxel lowpoly pixel sketch watercolor painting", "styles are not known; leave it out"),
    (
        "plaid tartan zigzag floral flowery camouflage camo paisley herringbone",
        "the patterns are striped, checkered and spotted; name one of these",
    ),
)

# Colors that people name, and the nearest ones that a vocabulary may have; said as "did you mean".
KIN = _reasons(
    ("navy cyan azure cobalt indigo", "blue"),
    ("maroon burgundy ruby cherry vermilion", "red"),
    ("magenta fuchsia rose salmon coral", "pink"),
    ("lime olive mint jade", "green"),
    ("aqua aquamarine", "teal"),
    ("lavender lilac mauve plum", "purple"),
    ("beige tan chocolate khaki", "brown"),
    ("lemon amber mustard", "yellow"),
    ("cream", "white"),
    ("charcoal", "black"),
    ("peach tangerine apricot", "orange"),
)
# Little words of other languages in Latin letters, which tell them where English knows none of the words beside them.
FOREIGN = frozenset(
    "un una uno unos unas el la los las le les une der die das ein eine einen einem einer il lo gli du des mit und ou "
    "avec con et y de en auf sur sobre rouge roja rojo rot rote rotes roter bleu bleue azul blau blaue vert verde "
    "gruen blanc blanche blanco schwarz noir noire negro".split()
)
PLURALS = {"mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth"}


def with_article(words: str) -> str:
    """ "a cube", "an anchor", "a ufo"."""
    vowel = words[0] in "aeiou" and not words.startswith(("ufo", "uni", "use", "eu", "one"))
    return f"{'an' if vowel else 'a'} {words}"


def plurals(word: str) -> list[str]:
    """How people write several of `word`; a word that ends like a plural is one."""
    if word in PLURALS:
        return [PLURALS[word]]
    if word.endswith(("x", "ch", "sh", "ss", "us")):
        return [word + "es"]
    if re.search("[^aeiou]y$", word):
        return [word[:-1] + "ies"]
    if re.search("(?<![fo])fe?$", word):
        return [re.sub("fe?$", "ves", word), word + "s"]
    if word.endswith("o"):
        return [word + "s", word + "es"]
    return [] if word.endswith("s") else [word + "s"]
