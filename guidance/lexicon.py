"""Words of a teacher: what each of them means, and one clear line about those that mean nothing.

A `vocabulary.json` holds things, colors, parts and patterns with their synonyms; the words between them are those of
`guidance.english`. `guidance.vocabulary` makes captions of the tokens.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict

from guidance.english import FILLERS, GRAMMAR, NUMBERS, PHRASES, REFUSED, RELATION_WORDS, Role, plurals
from guidance.unknown import Known, why_not

LONGEST_NAME = 4  # words, as in "ice cream cone"
DIGITS = 3  # of a number that is read as one


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
    """A color: sRGB in [0, 1]. `second`: the other color of a pattern on it where none is named."""

    rgb: list[float]
    synonyms: list[str]
    second: NotRequired[str]


class PatternEntry(TypedDict):
    """A pattern of the main part: `synonyms` say it of a thing ("stripy"), `marks` are what it shows ("stripes")."""

    synonyms: list[str]
    marks: list[str]


class WordData(TypedDict):
    """The content of a `vocabulary.json`. One without patterns has none, one without relations knows "on" alone."""

    objects: dict[str, ObjectEntry]
    colors: dict[str, ColorEntry]
    patterns: NotRequired[dict[str, PatternEntry]]
    relations: NotRequired[list[str]]


class Token(NamedTuple):
    """A word that means something: `name` is the known name it stands for (a number: its digits)."""

    role: Role
    word: str
    name: str


class Lexicon:
    """The words of a `vocabulary.json`. `parts[kind]` maps the part words of a kind to slot numbers."""

    def __init__(self, data: WordData) -> None:
        self.objects, self.colors = data["objects"], data["colors"]
        patterns = data.get("patterns", {})
        marks = {_joined(w): name for name, p in patterns.items() for w in p["marks"]}
        self.parts = {kind: _part_words(entry["slots"], marks) for kind, entry in self.objects.items()}
        self._tokens = {w: Token(role, w, w) for role, words in GRAMMAR.items() for w in words.split()}
        self._tokens |= {w: Token("relation", w, name) for w, name in RELATION_WORDS.items()}
        self._tokens |= {w: Token("number", w, str(i)) for i, w in enumerate(NUMBERS, 1)}
        self._tokens |= {w: Token("part", w, w) for words in self.parts.values() for w in words}
        self._tokens |= {w: Token("mark", w, name) for w, name in marks.items()}
        self._tokens |= {_joined(w): Token("pattern", w, n) for n, p in patterns.items() for w in (n, *p["synonyms"])}
        self._tokens |= {w: Token("color", w, name) for name, c in self.colors.items() for w in _forms(name, c)}
        self._tokens |= {w: Token("thing", w, name) for name, o in self.objects.items() for w in _forms(name, o)}
        self.known = Known(tuple(dict.fromkeys(_spelled(data))), tuple(self.objects), frozenset(self.colors))

    def tokens(self, prompt: str) -> list[Token]:
        """The words of `prompt` that mean something. ValueError names the words that this teacher does not know."""
        text = " ".join(unicodedata.normalize("NFKC", prompt).lower().split())
        text = re.sub(r"['’`]s\b", "", text)  # noqa: RUF001
        for pattern, word in PHRASES:
            text = pattern.sub(word, text)
        words = list(self._compounds(re.findall(r"[^\W_]+|[,;:.&+]", text)))
        kinds = {token.name for token in map(self._tokens.get, words) if token and token.role == "thing"}
        found = [(word, self._meaning(word, kinds)) for word in words]
        kept = [(word, token) for word, token in found if token or word not in FILLERS]
        strange = [word for word, token in kept if not token]
        if strange:
            named = any(token and token.role == "thing" for _, token in kept)
            raise ValueError(why_not(strange, [w for w, _ in kept], self.known, named=named))
        return self._in_context([token for _, token in kept if token], kinds)

    def _meaning(self, word: str, kinds: set[str]) -> Token | None:
        """What a word means beside things of `kinds`. A part of none of them, such as the stand of a lamp, is the
        everyday word where there is one ("a cat stands on a cube")."""
        token = self._tokens.get(word)
        if token is None and word.isdecimal() and len(word) <= DIGITS:
            return Token("number", word, word)
        everyday = word in FILLERS or word in REFUSED
        if token and token.role == "part" and everyday and not any(word in self.parts[kind] for kind in kinds):
            return None
        return token

    def _in_context(self, tokens: Sequence[Token], kinds: set[str]) -> list[Token]:
        """Marks that are a part of a thing in the prompt ("the stripes of a lighthouse") are that part, and so are
        things behind "with" ("a trophy with a gold cup")."""
        out: list[Token] = []
        owner, announced = "", False
        for token in tokens:
            owned = owner and token.word in self.parts[owner]
            if token.role == "mark" and any(token.word in self.parts[kind] for kind in kinds):
                token = Token("part", token.word, token.word)
            elif token.role == "thing" and owned and announced and token.name != owner:
                token = Token("part", token.word, token.word)
            elif token.role == "thing":
                owner, announced = token.name, False
            elif token.role == "link" and token.word.isalpha():
                announced = True
            elif token.role == "relation":
                owner = ""
            out.append(token)
        return out

    def _compounds(self, words: Sequence[str]) -> Iterator[str]:
        """ "snow man" and "ice cream cone" as one word; "lamp shade" stays two, a thing and its part."""
        at = 0
        while at < len(words):
            longest = min(LONGEST_NAME, len(words) - at)
            length = next((n for n in range(longest, 1, -1) if self._is_one(words[at : at + n])), 1)
            yield "".join(words[at : at + length])
            at += length

    def _is_one(self, words: Sequence[str]) -> bool:
        roles = [self._role(w) for w in words]
        one = self._role("".join(words)) in ("thing", "part", "color", "pattern", "mark")
        return one and all(map(str.isalpha, words)) and roles != ["thing", "part"]

    def _role(self, word: str) -> Role | None:
        token = self._tokens.get(word)
        return token.role if token else None


def _spelled(data: WordData) -> Iterator[str]:
    """Every word that a prompt may hold, as the data spell it."""
    parts = [entry["slots"] for entry in data["objects"].values()]
    groups: list[Mapping[str, ObjectEntry | ColorEntry | SlotEntry | PatternEntry]]
    groups = [data["objects"], data["colors"], data.get("patterns", {}), *parts]
    for group in groups:
        for name, entry in group.items():
            yield from (name, *entry["synonyms"])
    for pattern in data.get("patterns", {}).values():
        yield from pattern["marks"]


def _joined(words: str) -> str:
    """ "polka dot" as `Lexicon` reads it: "polkadot"."""
    return re.sub(r"[\W_]", "", words)


def _part_words(slots: dict[str, SlotEntry], marks: dict[str, str]) -> dict[str, int]:
    """Slot numbers by word. A plural that nobody wrote down is left to the marks of a pattern: a vase with one stripe
    as a part can still have stripes."""
    said = {_joined(w): i for i, (name, slot) in enumerate(slots.items()) for w in (name, *slot["synonyms"])}
    derived = {w: i for i, (name, slot) in enumerate(slots.items()) for w in _forms(name, slot) if w not in marks}
    return derived | said


def _forms(name: str, entry: ObjectEntry | ColorEntry | SlotEntry) -> Iterator[str]:
    """A name, its synonyms and their plurals, as one word each."""
    for word in map(_joined, (name, *entry["synonyms"])):
        yield from (word, *plurals(word))
