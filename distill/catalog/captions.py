"""Captions of the catalog: which combinations exist, how people phrase them, and the vocabulary file.

`python -m distill.catalog.captions` writes `assets/embedded/vocabulary.json`, the only way in which the embedded
teacher learns what the catalog calls things.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path

import torch

from distill.catalog.objects import COLOR_SYNONYMS, COLORS, OBJECTS
from guidance.lexicon import ColorEntry, ObjectEntry, WordData
from guidance.vocabulary import Caption, Thing, Vocabulary

PAIR_SHARE = 0.35
NAMED_SHARE = 0.4  # of things with several slots: chance that a slot gets a color of its own

SUPPORTS = tuple(o.name for o in OBJECTS if o.support)


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
        name: {"rgb": list(rgb), "synonyms": list(COLOR_SYNONYMS[name])} for name, rgb in COLORS.items()
    }
    return {"objects": objects, "colors": colors}


VOCABULARY = Vocabulary(vocabulary_data())


def pick(options: Sequence[str], generator: torch.Generator) -> str:
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def draw_kinds(generator: torch.Generator) -> tuple[str, ...]:
    """One kind, or for PAIR_SHARE of the draws a kind and what it stands on (two different kinds)."""
    first = pick([o.name for o in OBJECTS], generator)
    if float(torch.rand(1, generator=generator)) > PAIR_SHARE:
        return (first,)
    return first, pick([s for s in SUPPORTS if s != first], generator)


def draw_colors(kind: str, generator: torch.Generator) -> Thing:
    """A thing with a random main color and, now and then, colors of its own for the other slots."""
    names = list(COLORS)
    slots = len(VOCABULARY.objects[kind]["slots"])
    own = torch.rand(slots, generator=generator) < NAMED_SHARE
    named = {i: pick(names, generator) for i in range(1, slots) if own[i]}
    return VOCABULARY.thing(kind, pick(names, generator), named)


def draw(generator: torch.Generator, *, held_out: bool = False, kinds: tuple[str, ...] | None = None) -> Caption:
    """A random caption from the training combinations, or from the held-out ones; of these `kinds` where given.

    ValueError where `kinds` have no such combination: a tenth of few is sometimes none.
    """
    if kinds and not has_combination(kinds, held_out=held_out):
        raise ValueError(f"no combination of colors of {' on '.join(kinds)} is {'' if held_out else 'not '}held out")
    while True:
        caption = Caption(tuple(draw_colors(k, generator) for k in kinds or draw_kinds(generator)))
        if caption.held_out == held_out:
            return caption


@lru_cache
def has_combination(kinds: tuple[str, ...], *, held_out: bool) -> bool:
    """Whether some colors of these kinds are held out, or trained on."""
    colored = [[VOCABULARY.thing(kind, color, {}) for color in COLORS] for kind in kinds]
    return any(Caption(things).held_out == held_out for things in product(*colored))


def phrase(caption: Caption) -> str:
    """The caption in plain words; parses back to the same caption."""
    return " on ".join(_phrase_thing(t) for t in caption.things)


def _phrase_thing(thing: Thing) -> str:
    plain = VOCABULARY.thing(thing.kind, thing.colors[0], {})
    slots = VOCABULARY.objects[thing.kind]["slots"].items()
    named = [
        f"{_article(color) if slot['count'] == 1 else color} {name}"
        for (name, slot), color, usual in zip(slots, thing.colors, plain.colors, strict=True)
        if color != usual
    ]
    tail = " with " + " and ".join(named) if named else ""
    return f"{_article(thing.colors[0])} {thing.kind}{tail}"


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def write_vocabulary(folder: Path) -> Path:
    path = folder / "vocabulary.json"
    path.write_text(json.dumps(vocabulary_data(), indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    write_vocabulary(Path(__file__).parents[2] / "assets" / "embedded")
