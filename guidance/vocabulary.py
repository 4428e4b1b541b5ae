"""From prompts to captions: a prompt becomes things with colors, or one clear line about what was not understood.

The grammar is small, and forgiving where only one thing can be meant. Around the name of a thing stand its color and
its parts with theirs, in any order, with or without links ("with", "and", commas); a second thing follows "on":

    a red mushroom with a white stem         green tree, brown trunk          a cube that is blue
    a mushroom whose stem is white           a table with four black legs     a snowman on top of a cube

A part without a color keeps its usual one. The words come from the `vocabulary.json` of a teacher's folder; that of
the embedded teacher is written by the catalog.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from guidance.grammar import Clause, Part, read
from guidance.lexicon import Lexicon, WordData

HELD_OUT_SHARE = 10
Pattern = Literal["plain", "striped", "checkered", "spotted"]
PATTERNS: tuple[Pattern, ...] = ("plain", "striped", "checkered", "spotted")
Relation = Literal["on", "next to"]
RELATIONS: tuple[Relation, ...] = ("on", "next to")


@dataclass(frozen=True)
class Thing:
    """One object: its kind, the color name of every one of its slots, the main one first, and the pattern of its main
    slot in a `second` color (None where it is plain)."""

    kind: str
    colors: tuple[str, ...]
    pattern: Pattern = "plain"
    second: str | None = None


@dataclass(frozen=True)
class Caption:
    """One thing, or two: the first standing on the second, or to the left of it as seen from the front."""

    things: tuple[Thing, ...]
    relation: Relation | None = None

    @property
    def held_out(self) -> bool:
        """Whether this combination never enters training: a fixed tenth, by hash of kinds and main colors."""
        key = f" {self.relation} ".join(f"{t.colors[0]} {t.kind}" for t in self.things)
        return int(hashlib.sha256(key.encode()).hexdigest(), 16) % HELD_OUT_SHARE == 0


class Vocabulary:
    """The words of a `vocabulary.json`: parse prompts, number and color things, list what is known."""

    def __init__(self, data: WordData) -> None:
        self._lexicon = Lexicon(data)
        self.objects = data["objects"]
        self.colors = {name: entry["rgb"] for name, entry in data["colors"].items()}

    def parse(self, prompt: str) -> Caption:
        """The caption that a prompt asks for; ValueError with one line where it is not understood."""
        shown = " ".join(prompt.split())
        if not shown:
            raise ValueError('the prompt is empty: name a thing, for example "a red mushroom"')
        tokens = self._lexicon.tokens(prompt)
        cuts = [i for i, token in enumerate(tokens) if token.role in ("on", "under")]
        if len(cuts) > 1:
            raise ValueError(f'"{shown}" stacks more than two things; use at most one "on"')
        sides = [tokens[: cuts[0]], tokens[cuts[0] + 1 :]] if cuts else [tokens]
        clauses = [read(side) for side in sides]
        if cuts and tokens[cuts[0]].role == "under":
            clauses.reverse()
        kinds = [clause.kind or self._refuse_unnamed(shown, clause) for clause in clauses]
        if len(kinds) == 2 and not self.objects[kinds[1]]["support"]:
            good = ", ".join(k for k, o in self.objects.items() if o["support"])
            raise ValueError(f"nothing can stand on a {kinds[1]} here; things can stand on: {good}")
        shares = self._share_out(kinds, clauses)
        things = tuple(self._painted(k, c, parts) for k, c, parts in zip(kinds, clauses, shares, strict=True))
        return Caption(things, "on" if cuts else None)

    def index(self, thing: Thing) -> int:
        """Class index of a thing's kind."""
        return list(self.objects).index(thing.kind)

    def rgb(self, thing: Thing) -> list[list[float]]:
        """sRGB in [0, 1] of every slot of a thing."""
        return [self.colors[c] for c in thing.colors]

    def thing(self, kind: str, main: str | None, named: Mapping[int, str]) -> Thing:
        """A thing of main color `main` (None: its natural one), slots `named` by number, the rest at their defaults."""
        entry = self.objects[kind]
        main = main or entry["natural"]
        usual = [main if i == 0 else slot["default"] or main for i, slot in enumerate(entry["slots"].values())]
        return Thing(kind, tuple(named.get(i, color) for i, color in enumerate(usual)))

    def _refuse_unnamed(self, shown: str, clause: Clause) -> str:
        """What to say where a clause names no thing."""
        if clause.parts:
            word = clause.parts[0].word
            owners = [f"a {kind}" for kind, words in self._lexicon.parts.items() if word in words]
            raise ValueError(f'"{shown}" lacks the name of a thing; {word!r} is a part of {" or ".join(owners)}')
        lone = f"; {clause.colors[0]} is a color here" if clause.colors else ""
        raise ValueError(f'"{shown}" lacks the name of a thing{lone}; known things: {", ".join(self.objects)}')

    def _share_out(self, kinds: Sequence[str], clauses: Sequence[Clause]) -> list[list[Part]]:
        """The parts of every thing: in "a mushroom on a cube with a white stem" the stem is the mushroom's."""
        shares: list[list[Part]] = [[] for _ in kinds]
        for i, clause in enumerate(clauses):
            for part in clause.parts:
                owners = [j for j in (i, *range(len(kinds))) if part.word in self._lexicon.parts[kinds[j]]]
                if not owners:
                    slots = self.objects[kinds[i]]["slots"]
                    has = f"its parts: {', '.join(slots)}" if len(slots) > 1 else "it has one color and no parts"
                    raise ValueError(f"a {kinds[i]} has no {part.word!r}; {has}")
                shares[owners[0]].append(part)
        return shares

    def _painted(self, kind: str, clause: Clause, parts: Sequence[Part]) -> Thing:
        """The thing of a clause with its parts. ValueError where two colors are meant for one place."""
        slots = list(self.objects[kind]["slots"].items())
        named: dict[int, str] = {}
        for part in parts:
            index = self._lexicon.parts[kind][part.word]
            name, slot = slots[index]
            if part.number not in (None, slot["count"]):
                raise ValueError(f"a {kind} has {slot['count']} {name} here, not {part.number}; leave the number out")
            if part.color and named.setdefault(index, part.color) != part.color:
                raise ValueError(f"the {name} of the {kind} is called {named[index]} and {part.color}; name one color")
        colors = clause.colors
        if not colors and 0 in named and slots[0][0] == "body":
            colors = (named[0],)  # the body is the thing itself: parts without a color of their own follow it
        if len(colors) > 1:
            other = f", as in 'with {colors[1]} {slots[1][0]}'" if len(slots) > 1 else ""
            remedy = f"say which part has the other{other}" if other else "name one"
            raise ValueError(f"a {kind} takes one color, got {' and '.join(colors)}; {remedy}")
        follows = any(slot["default"] is None and i not in named for i, (_, slot) in enumerate(slots) if i)
        if colors and named.get(0, colors[0]) != colors[0] and not follows:
            raise ValueError(f"the {slots[0][0]} of the {kind} is called {colors[0]} and {named[0]}; name one color")
        return self.thing(kind, colors[0] if colors else None, named)


@lru_cache
def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """The vocabulary of a teacher folder's file, or the embedded one."""
    source = path or resources.files("assets").joinpath("embedded/vocabulary.json")
    return Vocabulary(json.loads(source.read_text(encoding="utf-8")))
