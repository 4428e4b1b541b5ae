"""From prompts to captions: a prompt becomes things with colors, or one clear line about what was not understood.

The grammar is small, and forgiving where only one thing can be meant. Around the name of a thing stand its color, its
pattern and its parts with theirs, in any order, with or without links ("with", "and", commas); a second thing follows
"on" or "next to":

    a red mushroom with a white stem         green tree, brown trunk          a cube that is blue
    a mushroom whose stem is white           a table with four black legs     a snowman on top of a cube
    a striped vase                           a red and white striped vase     a blue cube with white dots
    a cat next to a dog                      a cat and a dog                  a lamp to the right of a table

A part without a color keeps its usual one, and so does a pattern. Words that change nothing are passed over ("a nice
big cube"). The words come from the `vocabulary.json` of a teacher's folder; that of the embedded teacher is written by
the catalog.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from guidance.english import plurals, with_article
from guidance.grammar import Clause, Part, read
from guidance.lexicon import Lexicon, WordData
from guidance.sentence import divide
from guidance.unknown import FEW, shortened

HELD_OUT_SHARE = 10
Pattern = Literal["plain", "striped", "checkered", "spotted"]
PATTERNS: tuple[Pattern, ...] = ("plain", "striped", "checkered", "spotted")
_BY_NAME: dict[str, Pattern] = {pattern: pattern for pattern in PATTERNS}
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
    """The words of a `vocabulary.json`: parse prompts, number and color things, list what is known.

    ValueError, in one line, where the data name a pattern or a relation that does not exist, or leave a color without
    the second one that patterns need.
    """

    def __init__(self, data: WordData) -> None:
        self._lexicon = Lexicon(data)
        self.objects = data["objects"]
        self.colors = {name: entry["rgb"] for name, entry in data["colors"].items()}
        self.patterns = data.get("patterns", {})
        self.relations = tuple(r for r in RELATIONS if r in data.get("relations", ["on"]))
        self._seconds = {name: entry.get("second", "") for name, entry in data["colors"].items()}
        strange = {*self.patterns} - {*PATTERNS} | {*data.get("relations", [])} - {*RELATIONS}
        if strange:
            raise ValueError(f"the vocabulary names {', '.join(sorted(strange))}; there are {_known_forms()}")
        for color, second in self._seconds.items():
            if self.patterns and (second not in self.colors or second == color):
                raise ValueError(
                    f"the second color of {color} is {second!r}; patterns need another color of the vocabulary"
                )

    def parse(self, prompt: str) -> Caption:
        """The caption that a prompt asks for; ValueError with one line where it is not understood."""
        if not prompt.strip():
            raise ValueError('the prompt is empty: name a thing, for example "a red mushroom"')
        sides, relation = divide(self._lexicon.tokens(prompt), prompt)
        clauses = [read(side) for side in sides]
        if relation == "on" and not clauses[0].kind and clauses[0].pattern and not clauses[0].parts:
            clauses, relation = [_marked(clauses[1], clauses[0])], None  # "white dots on a red cube"
        kinds = [clause.kind or self._refuse_unnamed(prompt, clause) for clause in clauses]
        if len(clauses) == 1 and clauses[0].number == 2 and "next to" in self.relations:
            clauses, kinds, relation = [replace(clauses[0], number=1, sizes=())] * 2, kinds * 2, "next to"
        self._check(kinds, clauses)
        return self._related(kinds, clauses, self._share_out(kinds, clauses), relation)

    def _check(self, kinds: Sequence[str], clauses: Sequence[Clause]) -> None:
        for kind, clause in zip(kinds, clauses, strict=True):
            if clause.number != 1:
                raise ValueError(f"one {kind} is drawn, not {clause.number}; leave the number out")
        sizes = [size for clause in clauses for size in clause.sizes]
        if len(kinds) > 1 and sizes:
            both = (
                f"the sizes of {kinds[0]} and {kinds[1]} are fixed" if kinds[0] != kinds[1] else "both sizes are fixed"
            )
            raise ValueError(f"{both}; leave {' and '.join(map(repr, sizes))} out")

    def _related(
        self,
        kinds: Sequence[str],
        clauses: Sequence[Clause],
        shares: Sequence[Sequence[Part]],
        relation: Relation | None,
    ) -> Caption:
        if relation and relation not in self.relations:
            near = f'"{with_article(kinds[0])} on {with_article(kinds[1])}"'
            raise ValueError(f'this teacher knows no "{relation}"; things stand "on" each other, as in {near}')
        if relation == "on" and not self.objects[kinds[1]]["support"]:
            good = ", ".join(k for k, o in self.objects.items() if o["support"])
            aside = f'; or write "{with_article(kinds[0])} next to {with_article(kinds[1])}"' * (
                "next to" in self.relations
            )
            raise ValueError(f"nothing can stand on {with_article(kinds[1])} here; things can stand on: {good}{aside}")
        things = tuple(self._painted(k, c, parts) for k, c, parts in zip(kinds, clauses, shares, strict=True))
        return Caption(things, relation)

    def index(self, thing: Thing) -> int:
        """Class index of a thing's kind."""
        return list(self.objects).index(thing.kind)

    def rgb(self, thing: Thing) -> list[list[float]]:
        """sRGB in [0, 1] of every slot of a thing."""
        return [self.colors[c] for c in thing.colors]

    def thing(
        self,
        kind: str,
        main: str | None,
        named: Mapping[int, str],
        pattern: Pattern = "plain",
        second: str | None = None,
    ) -> Thing:
        """A thing of main color `main` (None: its natural one), slots `named` by number, the rest at their defaults.

        A pattern without a `second` color takes the usual one on its main color. ValueError where they are the same.
        """
        entry = self.objects[kind]
        main = main or entry["natural"]
        usual = [main if i == 0 else slot["default"] or main for i, slot in enumerate(entry["slots"].values())]
        colors = tuple(named.get(i, color) for i, color in enumerate(usual))
        if pattern == "plain":
            return Thing(kind, colors)
        second = second or self._seconds[colors[0]]
        if second == colors[0]:
            raise ValueError(
                f"{with_article(kind)} is {second} already; name another color for what is {pattern} on it"
            )
        return Thing(kind, colors, pattern, second)

    def _refuse_unnamed(self, prompt: str, clause: Clause) -> str:
        """What to say where a clause names no thing."""
        lacks = f'"{shortened(prompt)}" lacks the name of a thing'
        if clause.parts:
            word = clause.parts[0].word
            owners = [with_article(kind) for kind, words in self._lexicon.parts.items() if word in words]
            several = f"{', '.join(owners[:FEW])} and {len(owners) - FEW} more things"
            raise ValueError(f"{lacks}; {word!r} is a part of {several if len(owners) > FEW else ' or '.join(owners)}")
        lone = f"; {clause.colors[0]} is a color here" if clause.colors else ""
        symbols = "".join(dict.fromkeys(c for c in prompt if unicodedata.category(c) in ("So", "Sm")))
        lone += f"; symbols such as {shortened(symbols, 8)} are not read, write words" if symbols else ""
        raise ValueError(f"{lacks}{lone}; {self._lexicon.known.examples()}")

    def _share_out(self, kinds: Sequence[str], clauses: Sequence[Clause]) -> list[list[Part]]:
        """The parts of every thing: in "a mushroom on a cube with a white stem" the stem is the mushroom's."""
        shares: list[list[Part]] = [[] for _ in kinds]
        for i, clause in enumerate(clauses):
            for part in clause.parts:
                owners = [j for j in (i, *range(len(kinds))) if part.word in self._lexicon.parts[kinds[j]]]
                if not owners:
                    slots = self.objects[kinds[i]]["slots"]
                    has = f"its parts: {', '.join(slots)}" if len(slots) > 1 else "it has one color and no parts"
                    raise ValueError(f"{with_article(kinds[i])} has no {part.word!r}; {has}")
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
                raise ValueError(_wrong_number(kind, part, name, slot["count"]))
            if part.color and named.setdefault(index, part.color) != part.color:
                raise ValueError(f"the {name} of the {kind} is called {named[index]} and {part.color}; name one color")
            clause = self._patterned(kind, clause, part, index)
        colors, second = clause.colors, clause.second
        if not colors and 0 in named and slots[0][0] == "body":
            colors = (named[0],)  # the body is the thing itself: parts without a color of their own follow it
        if clause.pattern not in (None, "plain") and not second and len(colors) == 2:
            colors, second = colors[:1], colors[1]
        if len(colors) > 1:
            raise ValueError(self._too_colorful(kind, colors, [name for name, _ in slots]))
        follows = any(slot["default"] is None and i not in named for i, (_, slot) in enumerate(slots) if i)
        if colors and named.get(0, colors[0]) != colors[0] and not follows:
            raise ValueError(f"the {slots[0][0]} of the {kind} is called {colors[0]} and {named[0]}; name one color")
        return self.thing(kind, colors[0] if colors else None, named, _BY_NAME[clause.pattern or "plain"], second)

    def _patterned(self, kind: str, clause: Clause, part: Part, index: int) -> Clause:
        """The clause with what a part says about its pattern, which is that of the thing. ValueError where the part is
        not the main one."""
        if part.pattern is None or (part.pattern == "plain" and index):
            return clause
        if index:
            main = next(iter(self.objects[kind]["slots"]))
            remedy = f'write "{with_article(part.pattern)} {kind}"'
            raise ValueError(f"a pattern covers the {main} of {with_article(kind)}, not its {part.word}; {remedy}")
        if clause.pattern not in (None, part.pattern):
            raise ValueError(f"a thing takes one pattern, got {clause.pattern} and {part.pattern}; name one")
        return replace(clause, pattern=part.pattern, second=part.second or clause.second)

    def _too_colorful(self, kind: str, colors: Sequence[str], slots: Sequence[str]) -> str:
        remedies = [f"say which part has the other, as in 'with {colors[1]} {slots[1]}'"] if len(slots) > 1 else []
        if len(colors) == 2 and "striped" in self.patterns:
            remedies.append(f"name a pattern, as in '{' and '.join(colors)} striped {kind}'")
        return (
            f"{with_article(kind)} takes one color, got {' and '.join(colors)}; {', or '.join(remedies) or 'name one'}"
        )


def _known_forms() -> str:
    return f"the patterns {', '.join(PATTERNS)} and the relations {', '.join(RELATIONS)}"


def _marked(clause: Clause, marks: Clause) -> Clause:
    """A clause with the pattern that `marks` describe, as in "white dots on a red cube"."""
    if clause.pattern not in (None, marks.pattern):
        raise ValueError(f"a thing takes one pattern, got {marks.pattern} and {clause.pattern}; name one")
    *main, second = (*marks.colors, marks.second) if marks.second else marks.colors or (None,)
    return replace(clause, colors=(*clause.colors, *filter(None, main)), pattern=marks.pattern, second=second)


def _wrong_number(kind: str, part: Part, name: str, count: int) -> str:
    """A synonym may stand for more than one place, such as the eyes that go with a nose: it is not counted."""
    if part.word in (name, *plurals(name)):
        return f"{with_article(kind)} has {count} {name} here, not {part.number}; leave the number out"
    return f"how many {part.word} {with_article(kind)} has is not chosen here; leave the number out"


@lru_cache
def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """The vocabulary of a teacher folder's file, or the embedded one."""
    source = path or resources.files("assets").joinpath("embedded/vocabulary.json")
    return Vocabulary(json.loads(source.read_text(encoding="utf-8")))
