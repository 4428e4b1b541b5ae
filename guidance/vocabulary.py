"""Words of the embedded teacher: a prompt becomes things with colors, or one clear line about what was not understood.

Read from `assets/embedded/vocabulary.json`, which the catalog writes. The grammar is small on purpose, and everything
it does not know is named with the nearest word that it does know:

    [a] [COLOR] THING [with [a] [COLOR] PART [and [a] [COLOR] PART] ...] [on [a] [COLOR] THING [with ...]]
"""

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

FILLERS = frozenset("a an the of one single very nice photo picture image render 3d model colored coloured".split())
LINKS = frozenset(("with", "and", "has", "having"))
RELATIONS = {"on": "on", "atop": "on", "upon": "on", "onto": "on"}
HELD_OUT_SHARE = 10


@dataclass(frozen=True)
class Thing:
    """One object: its kind and the color name of every one of its slots, the main one first."""

    kind: str
    colors: tuple[str, ...]


@dataclass(frozen=True)
class Caption:
    """One thing, or two with the first standing on the second."""

    things: tuple[Thing, ...]

    @property
    def held_out(self) -> bool:
        """Whether this combination never enters training: a fixed tenth, by hash of kinds and main colors."""
        key = " on ".join(f"{t.colors[0]} {t.kind}" for t in self.things)
        return int(hashlib.sha256(key.encode()).hexdigest(), 16) % HELD_OUT_SHARE == 0


class Vocabulary:
    """The words of a `vocabulary.json`: parse prompts, suggest near words, list what is known."""

    def __init__(self, data: dict) -> None:
        self.objects: dict[str, dict] = data["objects"]
        self.colors: dict[str, list[float]] = {name: c["rgb"] for name, c in data["colors"].items()}
        self._kinds = dict(_words(self.objects))
        self._colors = dict(_words(data["colors"]))
        self._slots = {kind: dict(_words(o["slots"])) for kind, o in self.objects.items()}

    def parse(self, prompt: str) -> Caption:
        """The caption that a prompt asks for; ValueError with one line where it is not understood."""
        words = [w for w in re.findall(r"[a-z0-9]+", prompt.lower()) if w not in FILLERS]
        if not words:
            raise ValueError('the prompt is empty: name a thing, for example "a red mushroom"')
        self._check_known(words)
        cuts = [i for i, w in enumerate(words) if w in RELATIONS]
        if len(cuts) > 1:
            raise ValueError(f'"{prompt}" stacks more than two things; use at most one "on"')
        clauses = [words] if not cuts else [words[: cuts[0]], words[cuts[0] + 1 :]]
        things = tuple(self._thing(clause, prompt) for clause in clauses)
        if len(things) == 2 and not self.objects[things[1].kind]["support"]:
            good = ", ".join(k for k, o in self.objects.items() if o["support"])
            raise ValueError(f"nothing can stand on a {things[1].kind} here; things can stand on: {good}")
        return Caption(things)

    def index(self, thing: Thing) -> int:
        """Class index of a thing's kind."""
        return list(self.objects).index(thing.kind)

    def rgb(self, thing: Thing) -> list[list[float]]:
        """sRGB in [0, 1] of every slot of a thing."""
        return [self.colors[c] for c in thing.colors]

    def thing(self, kind: str, main: str | None, named: dict[int, str]) -> Thing:
        """A thing with its unnamed slots at their default colors."""
        entry = self.objects[kind]
        main = main or entry["natural"]
        slots = [slot["default"] or main for slot in entry["slots"].values()]
        slots[0] = main
        for index, color in named.items():
            slots[index] = color
        return Thing(kind, tuple(slots))

    def _thing(self, words: list[str], prompt: str) -> Thing:
        at = next((i for i, w in enumerate(words) if w in self._kinds), None)
        if at is None:
            known = ", ".join(self.objects)
            raise ValueError(f'"{prompt}" names no known thing where one is needed; known things: {known}')
        kind = self._kinds[words[at]]
        before = [self._colors[w] for w in words[:at] if w in self._colors]
        if len(before) > 1:
            raise ValueError(f"a {kind} takes one color before its name, got {' and '.join(before)}; name its parts")
        named, color = {}, None
        for word in words[at + 1 :]:
            if word in LINKS:
                continue
            if word in self._slots[kind]:
                if color is None:
                    raise ValueError(f"the {word} of the {kind} has no color; write for example 'with a white {word}'")
                named[list(self.objects[kind]["slots"]).index(self._slots[kind][word])] = color
                color = None
            elif word in self._colors:
                color = self._colors[word]
            else:
                parts = ", ".join(self.objects[kind]["slots"])
                raise ValueError(f"a {kind} has no part {word!r}; its parts: {parts}")
        if color is not None:
            raise ValueError(f"the color {color} after the {kind} belongs to no part; put it before the {kind}")
        return self.thing(kind, before[0] if before else None, named)

    def _check_known(self, words: list[str]) -> None:
        known = {*self._kinds, *self._colors, *LINKS, *RELATIONS, *(w for s in self._slots.values() for w in s)}
        unknown = [w for w in words if w not in known]
        if unknown:
            hints = []
            for word in unknown:
                near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
                hints.append(f"{word!r}" + (f" (did you mean {', '.join(near)}?)" if near else ""))
            raise ValueError(f"unknown word {', '.join(hints)}; `scorelift words` lists what this teacher knows")


def _words(entries: dict[str, dict]) -> Iterator[tuple[str, str]]:
    """(word, name) for every name, its synonyms and their simple plurals."""
    for name, entry in entries.items():
        for word in (name, *entry["synonyms"]):
            yield word, name
            yield word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s"), name


@lru_cache
def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """The vocabulary of a teacher folder's file, or the embedded one."""
    source = path or resources.files("assets").joinpath("embedded/vocabulary.json")
    return Vocabulary(json.loads(source.read_text()))
