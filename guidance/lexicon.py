"""Words of a teacher: what each of them means, and one clear line about those that mean nothing.

A `vocabulary.json` holds things, colors and parts with their synonyms; the words between them (articles, links,
relations, numbers) are the same for every teacher and stand here. `guidance.vocabulary` makes captions of the tokens.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple, TypedDict

Role = Literal["thing", "part", "color", "number", "article", "and", "link", "on", "under"]


class SlotEntry(TypedDict):
    """A part with a color of its own; default None: the main color. `count`: how many of it are drawn."""

    synonyms: list[str]
    default: str | None
    count: int


class ObjectEntry(TypedDict):
    """A thing: `natural` is its color where none is named, `support` says that things can stand on it."""

    synonyms: list[str]
    natural: str
    support: bool
    slots: dict[str, SlotEntry]


class ColorEntry(TypedDict):
    """A color: sRGB in [0, 1]."""

    rgb: list[float]
    synonyms: list[str]


class WordData(TypedDict):
    """The content of a `vocabulary.json`."""

    objects: dict[str, ObjectEntry]
    colors: dict[str, ColorEntry]


class Token(NamedTuple):
    """A word that means something: `name` is the known name it stands for (a number: its digits)."""

    role: Role
    word: str
    name: str


NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
GRAMMAR: dict[Role, str] = {
    "article": "a an the its his her",
    "and": "and & +",
    "link": "with has having , ; : .",
    "on": "on atop upon onto",
    "under": "under beneath below underneath supporting",
}
FILLERS = frozenset(
    "of in is are that which whose it this single very nice simple please make create generate draw show me "
    "photo picture image render rendering 3d model mesh asset object color colour colored coloured painted "
    "standing stands sitting sits placed resting rests lying put".split()
)
REFUSED = {
    **dict.fromkeys(("without", "no", "not", "minus"), "parts cannot be left out; name their colors instead"),
    **dict.fromkeys(
        ("next", "beside", "near", "behind", "front", "left", "right", "between", "around", "above", "over"),
        'the one relation between things is "on", as in "a mushroom on a cube"',
    ),
}


class Lexicon:
    """The words of a `vocabulary.json`. `parts[kind]` maps the part words of a kind to slot numbers."""

    def __init__(self, data: WordData) -> None:
        self.objects, self.colors = data["objects"], data["colors"]
        self.parts = {
            kind: {word: i for i, name in enumerate(entry["slots"]) for word in _forms(name, entry["slots"][name])}
            for kind, entry in self.objects.items()
        }
        self._tokens = {w: Token(role, w, w) for role, words in GRAMMAR.items() for w in words.split()}
        self._tokens |= {w: Token("number", w, str(i)) for i, w in enumerate(NUMBERS, 1)}
        self._tokens |= {w: Token("part", w, w) for words in self.parts.values() for w in words}
        self._tokens |= {w: Token("color", w, name) for name, c in self.colors.items() for w in _forms(name, c)}
        self._tokens |= {w: Token("thing", w, name) for name, o in self.objects.items() for w in _forms(name, o)}

    def tokens(self, prompt: str) -> list[Token]:
        """The words of `prompt` that mean something. ValueError names the words that this teacher does not know."""
        text = re.sub(r"['’]s\b", "", " ".join(prompt.lower().split()))  # noqa: RUF001
        text = re.sub(r"\bon (the )?top of\b", "on", text)
        words = [w for w in self._joined(re.findall(r"[^\W_]+|[,;:.&+]", text)) if w not in FILLERS]
        self._refuse_unknown([w for w in words if w not in self._tokens and not w.isdecimal()], words)
        return [self._tokens.get(w) or Token("number", w, w) for w in words]

    def _joined(self, words: Sequence[str]) -> Iterator[str]:
        """ "snow man" and "nose cone" as one word; "lamp shade" stays two, a thing and its part."""
        waiting = ""
        for word in words:
            whole, roles = waiting + word, [self._role(w) for w in (waiting, word)]
            if waiting and self._role(whole) in ("thing", "part", "color") and roles != ["thing", "part"]:
                waiting = whole
                continue
            if waiting:
                yield waiting
            waiting = word
        if waiting:
            yield waiting

    def _role(self, word: str) -> Role | None:
        token = self._tokens.get(word)
        return token.role if token else None

    def _refuse_unknown(self, unknown: Sequence[str], words: Sequence[str]) -> None:
        for word in unknown:
            if word in REFUSED:
                raise ValueError(f"{word!r} is not understood: {REFUSED[word]}")
        if not unknown:
            return
        near = {word: self._near(word) for word in unknown}
        named = [f"{w!r}" + (f" (did you mean {', '.join(n)}?)" if n else "") for w, n in near.items()]
        strange = [word for word, found in near.items() if not found]
        remedy = "`scorelift words` lists all"
        if strange and any(self._role(w) == "thing" for w in (*words, *chain(*near.values()))):
            remedy = f"leave {' and '.join(map(repr, strange))} out, or see `scorelift words`"
        elif strange:
            remedy = f"the known things are {', '.join(self.objects)}"
        raise ValueError(f"unknown word{'s'[: len(near) > 1]} {', '.join(named)}; {remedy}")

    def _near(self, word: str) -> list[str]:
        """Up to three known words that are spelled nearly like `word`, the nearest first."""
        groups: list[Mapping[str, ObjectEntry | ColorEntry | SlotEntry]] = [self.objects, self.colors]
        groups += [entry["slots"] for entry in self.objects.values()]
        known = {w: None for group in groups for name, entry in group.items() for w in (name, *entry["synonyms"])}
        return difflib.get_close_matches(word, known, n=3, cutoff=0.7)


def _forms(name: str, entry: ObjectEntry | ColorEntry | SlotEntry) -> Iterator[str]:
    """A name, its synonyms and their plurals."""
    for word in (name, *entry["synonyms"]):
        yield word
        if word.endswith(("x", "ch", "sh", "ss", "us")):
            yield word + "es"
        elif re.search("[^aeiou]y$", word):
            yield word[:-1] + "ies"
        elif not word.endswith("s"):
            yield word + "s"
