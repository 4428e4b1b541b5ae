"""A small vocabulary of the tests' own, and what to ask of it; catalog words are tested with the catalog's captions."""

import pytest

from guidance.lexicon import ObjectEntry, PatternEntry, SlotEntry, WordData
from guidance.vocabulary import Vocabulary


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
