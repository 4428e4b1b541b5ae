"""Captions of the catalog: which combinations exist, how people phrase them, and the vocabulary file.

`python -m distill.catalog.captions` writes `assets/embedded/vocabulary.json`, the only way in which the embedded
teacher learns what the catalog calls things.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TypeVar

import torch

from distill.catalog.objects import COLOR_SYNONYMS, COLORS, OBJECTS
from guidance.english import with_article
from guidance.lexicon import ColorEntry, ObjectEntry, PatternEntry, WordData
from guidance.vocabulary import PATTERNS, RELATIONS, Caption, Pattern, Relation, Thing, Vocabulary

Choice = TypeVar("Choice")
RELATION_SHARES: dict[Relation | None, float] = {None: 0.45, "on": 0.35, "next to": 0.2}
PATTERNED_SHARE = 0.25  # of things
USUAL_SHARE = 0.3  # of patterned things: chance of the second color that a prompt without one means
NAMED_SHARE = 0.4  # of things with several slots: chance that a slot gets a color of its own

NAMES = tuple(o.name for o in OBJECTS)
SUPPORTS = tuple(o.name for o in OBJECTS if o.support)


@dataclass(frozen=True)
class Layout:
    """A caption without its colors: what is drawn before they are. `patterns` belong to `kinds`, one each."""

    kinds: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    relation: Relation | None = None


PATTERN_WORDS: dict[Pattern, PatternEntry] = {
    "plain": {"synonyms": ["solid", "unpatterned", "uniform"], "marks": []},
    "striped": {
        "synonyms": ["stripy", "stripey", "streaky", "banded", "lined"],
        "marks": ["stripes", "stripe", "streaks", "bands", "lines"],
    },
    "checkered": {
        "synonyms": ["checked", "chequered", "checkerboard", "chequerboard", "chessboard", "chess board"],
        "marks": ["checks", "check", "checkers", "chequers", "checker", "squares"],
    },
    "spotted": {
        "synonyms": ["spotty", "dotted", "dotty", "polka dotted", "speckled"],
        "marks": ["spots", "spot", "dots", "dot", "polka dots", "polka dot", "polka", "speckles"],
    },
}
LIGHT = ("yellow", "white", "silver")  # colors on which white hardly shows: their patterns are black unless named


def vocabulary_data() -> WordData:
    """The content of `vocabulary.json`."""
    objects: dict[str, ObjectEntry] = {
        o.name: {
            "synonyms": list(o.synonyms),
            "natural": o.natural,
            "support": o.support,
            "slots": {s.name: {"synonyms": list(s.synonyms), "default": s.default, "count": s.count} for s in o.slots},
        }
        for o in OBJECTS
    }
    colors: dict[str, ColorEntry] = {
        name: {
            "rgb": list(rgb),
            "synonyms": list(COLOR_SYNONYMS[name]),
            "second": "black" if name in LIGHT else "white",
        }
        for name, rgb in COLORS.items()
    }
    return {"objects": objects, "colors": colors, "patterns": {**PATTERN_WORDS}, "relations": [*RELATIONS]}


VOCABULARY = Vocabulary(vocabulary_data())


def pick(options: Sequence[Choice], generator: torch.Generator) -> Choice:
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def draw_layout(generator: torch.Generator) -> Layout:
    """One thing, or two in a relation, by RELATION_SHARES; what stands on another is of another kind."""
    first = pick(NAMES, generator)
    relation = _by_share(RELATION_SHARES, generator)
    if relation is None:
        return Layout((first,), (_draw_pattern(generator),))
    seconds = NAMES if relation == "next to" else [s for s in SUPPORTS if s != first]
    kinds = (first, pick(seconds, generator))
    return Layout(kinds, (_draw_pattern(generator), _draw_pattern(generator)), relation)


def _by_share(shares: Mapping[Choice, float], generator: torch.Generator) -> Choice:
    weights = torch.tensor(list(shares.values()))
    return list(shares)[int(torch.multinomial(weights, 1, generator=generator))]


def _draw_pattern(generator: torch.Generator) -> Pattern:
    if float(torch.rand(1, generator=generator)) >= PATTERNED_SHARE:
        return "plain"
    return pick([p for p in PATTERNS if p != "plain"], generator)


def draw_colors(kind: str, pattern: Pattern, generator: torch.Generator) -> Thing:
    """A thing with a random main color, now and then colors of its own for the other slots, and where it is patterned
    a second color that is not the main one."""
    names = list(COLORS)
    slots = len(VOCABULARY.objects[kind]["slots"])
    chances = torch.rand(2 * slots + 3, generator=generator).tolist()  # one call: a training batch draws hundreds
    main = _at(names, chances.pop())
    named = {i: _at(names, chances.pop()) for i in range(1, slots) if chances.pop() < NAMED_SHARE}
    if pattern == "plain":
        return VOCABULARY.thing(kind, main, named)
    second = None if chances.pop() < USUAL_SHARE else _at([n for n in names if n != main], chances.pop())
    return VOCABULARY.thing(kind, main, named, pattern, second)


def _at(options: Sequence[Choice], chance: float) -> Choice:
    """One of `options` by a number drawn evenly from [0, 1)."""
    return options[min(int(chance * len(options)), len(options) - 1)]


def draw(generator: torch.Generator, *, held_out: bool = False, layout: Layout | None = None) -> Caption:
    """A random caption from the training combinations, or from the held-out ones; of this `layout` where given.

    ValueError where the layout has no such combination: a tenth of few is sometimes none.
    """
    if layout and not has_combination(layout, held_out=held_out):
        shown = f" {layout.relation} ".join(layout.kinds)
        raise ValueError(f"no combination of colors of {shown} is {'' if held_out else 'not '}held out")
    while True:
        drawn = layout or draw_layout(generator)
        pairs = zip(drawn.kinds, drawn.patterns, strict=True)
        caption = Caption(tuple(draw_colors(k, p, generator) for k, p in pairs), drawn.relation)
        if caption.held_out == held_out:
            return caption


def has_combination(layout: Layout, *, held_out: bool) -> bool:
    """Whether some colors of this layout are held out, or trained on; patterns make no difference."""
    return _has_combination(layout.kinds, layout.relation, held_out)


@cache
def _has_combination(kinds: tuple[str, ...], relation: Relation | None, held_out: bool) -> bool:
    colored = [[VOCABULARY.thing(kind, color, {}) for color in COLORS] for kind in kinds]
    return any(Caption(things, relation).held_out == held_out for things in product(*colored))


def phrase(caption: Caption) -> str:
    """The caption in plain words; parses back to the same caption."""
    return f" {caption.relation} ".join(_phrase_thing(t) for t in caption.things)


def _phrase_thing(thing: Thing) -> str:
    plain = VOCABULARY.thing(thing.kind, thing.colors[0], {})
    slots = VOCABULARY.objects[thing.kind]["slots"].items()
    named = [
        f"{with_article(color) if slot['count'] == 1 else color} {name}"
        for (name, slot), color, usual in zip(slots, thing.colors, plain.colors, strict=True)
        if color != usual
    ]
    tail = " with " + " and ".join(named) if named else ""
    return f"{with_article(_phrase_paint(thing))} {thing.kind}{tail}"


def _phrase_paint(thing: Thing) -> str:
    main = thing.colors[0]
    if thing.pattern == "plain":
        return main
    if VOCABULARY.thing(thing.kind, main, {}, thing.pattern).second == thing.second:
        return f"{thing.pattern} {main}"
    return f"{main} and {thing.second} {thing.pattern}"


def write_vocabulary(folder: Path) -> Path:
    path = folder / "vocabulary.json"
    path.write_text(json.dumps(vocabulary_data(), indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    write_vocabulary(Path(__file__).parents[2] / "assets" / "embedded")
