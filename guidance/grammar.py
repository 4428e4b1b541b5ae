"""What the tokens of a prompt say about one thing, before a vocabulary decides whether such a thing exists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from guidance.lexicon import Token


@dataclass(frozen=True)
class Part:
    """A part as it was named; color None: not said, number None: not said."""

    word: str
    color: str | None
    number: int | None


@dataclass(frozen=True)
class Clause:
    """One thing as it was described: its kind, every color said of the whole of it, and its parts in order."""

    kind: str | None
    colors: tuple[str, ...]
    parts: tuple[Part, ...]


def read(tokens: Sequence[Token]) -> Clause:
    """The clause that `tokens` make, which hold no relation. ValueError where they fit together in no way."""
    reader = _Reader()
    for token in tokens:
        reader.take(token)
    return reader.clause()


class _Reader:
    """Colors wait for the noun that follows them; behind a thing, where no part is announced, they are the thing's."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._colors: list[str] = []
        self._parts: list[Part] = []
        self._waiting: list[str] = []  # colors read and not yet given to a noun
        self._number: int | None = None  # read and not yet given to a noun
        self._announced = False  # "with" came: what follows are parts
        self._open = False  # the last part has no color yet, as in "whose stem is white"
        self._shared: str | None = None  # "black wheels and windows": the color that the next part shares

    def take(self, token: Token) -> None:
        shared, self._shared = self._shared, None
        match token.role:
            case "thing":
                self._take_thing(token.name)
            case "part":
                self._take_part(token.word, shared)
            case "color":
                self._take_color(token.name)
            case "number":
                self._number = int(token.name)
            case "and" | "link":
                self._separate(token)
            case "article" | "on" | "under":
                pass

    def clause(self) -> Clause:
        """What was read. ValueError where a color or a number is left over."""
        if self._waiting and self._announced:
            color = self._waiting[0]
            raise ValueError(f'the color {color} belongs to no part; name one, as in "with a {color} stem", or drop it')
        if self._number is not None:
            raise ValueError(f"the number {self._number} counts nothing; leave it out")
        return Clause(self._kind, tuple(dict.fromkeys(self._colors + self._waiting)), tuple(self._parts))

    def _take_thing(self, kind: str) -> None:
        if self._kind not in (None, kind):  # "fir tree" names one thing twice
            raise ValueError(f'{self._kind} and {kind} do not stand side by side; write "a {self._kind} on a {kind}"')
        if self._number not in (None, 1):
            raise ValueError(f"one {kind} is drawn, not {self._number}; leave the number out")
        self._kind, self._number, self._open = kind, None, False
        self._keep_waiting()

    def _take_part(self, word: str, shared: str | None) -> None:
        color = self._waiting.pop() if self._waiting else shared
        if self._waiting and self._announced:
            raise ValueError(f"{word!r} takes one color, got {' and '.join([*self._waiting, color or ''])}; name one")
        self._keep_waiting()
        self._parts.append(Part(word, color, self._number))
        self._number, self._open = None, color is None

    def _take_color(self, color: str) -> None:
        if self._open:
            self._parts[-1] = replace(self._parts[-1], color=color)
            self._open = False
        else:
            self._waiting.append(color)

    def _separate(self, token: Token) -> None:
        self._open = False
        if self._kind and not self._announced:
            self._keep_waiting()
        if token.role == "and" and self._parts and not self._waiting:
            self._shared = self._parts[-1].color
        self._announced |= token.word.isalpha() and token.role == "link"

    def _keep_waiting(self) -> None:
        self._colors += self._waiting
        self._waiting = []
