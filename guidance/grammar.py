"""What the tokens of a prompt say about one thing, before a vocabulary decides whether such a thing exists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from guidance.lexicon import Token


@dataclass(frozen=True)
class Part:
    """A part as it was named; color None: not said, number None: not said. A pattern is only right on the main one."""

    word: str
    color: str | None
    number: int | None
    pattern: str | None = None
    second: str | None = None


@dataclass(frozen=True)
class Clause:
    """One thing as it was described: its kind, every color said of the whole of it, its parts in order, its pattern and
    the second color of that, how many of it, and the words about its size."""

    kind: str | None
    colors: tuple[str, ...]
    parts: tuple[Part, ...]
    pattern: str | None = None
    second: str | None = None
    number: int = 1
    sizes: tuple[str, ...] = ()


def read(tokens: Sequence[Token]) -> Clause:
    """The clause that `tokens` make, which hold no relation. ValueError where they fit together in no way."""
    reader = _Reader()
    for token in tokens:
        reader.take(token)
    return reader.clause()


class _Reader:
    """Colors and patterns wait for the noun that follows them; behind a thing, where no part is announced, they are the
    thing's."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._count = 1
        self._colors: list[str] = []
        self._parts: list[Part] = []
        self._pattern: str | None = None
        self._second: str | None = None
        self._lone: str | None = None  # "white striped": the second color if another one is said, else the main one
        self._sizes: list[str] = []
        self._waiting: list[str] = []  # colors read and not yet given to a noun
        self._adjective: tuple[str, int] | None = None  # a pattern not yet given to a noun, and colors ahead of it
        self._size: str | None = None  # read and not yet given to a noun
        self._number: int | None = None  # read and not yet given to a noun
        self._announced = False  # "with" came: what follows are parts
        self._open = False  # the last part has no color yet, as in "whose stem is white"
        self._bare = False  # the last marks have no color yet, as in "with stripes in white"
        self._shared: str | None = None  # "black wheels and windows": the color that the next part shares

    def take(self, token: Token) -> None:
        shared, self._shared = self._shared, None
        match token.role:
            case "thing":
                self._take_thing(token.name)
            case "part":
                self._take_part(token.word, shared)
            case "mark" if self._kind or self._announced:
                self._take_marks(token)
            case "pattern" | "mark":
                self._take_pattern(token.name)
            case "color":
                self._take_color(token.name)
            case "number":
                self._number = int(token.name)
            case "size":
                self._size = token.word
            case "and" | "link":
                self._separate(token)
            case "article" | "relation" | "it":
                pass

    def clause(self) -> Clause:
        """What was read. ValueError where a color or a number is left over."""
        if self._announced and self._adjective is None:
            self._give_left_over()
        self._keep_waiting()
        if self._number is not None:
            raise ValueError(f"the number {self._number} counts nothing; leave it out")
        if self._lone and (self._second or not self._colors):
            self._colors.insert(0, self._lone)
        elif self._lone:
            self._second = self._lone
        colors = tuple(dict.fromkeys(self._colors))
        parts, sizes = tuple(self._parts), tuple(self._sizes)
        return Clause(self._kind, colors, parts, self._pattern, self._second, self._count, sizes)

    def _give_left_over(self) -> None:
        """Colors behind "with" that no part took are those of a pattern: "a cube striped with white"."""
        left = self._waiting
        if not left:
            return
        if self._pattern and not self._second and len(left) == 1:
            self._second = left.pop()
        elif not (self._pattern and not self._second and len(left) == 2 and not self._colors and not self._lone):
            raise ValueError(
                f'the color {left[0]} belongs to no part; name one, as in "with a {left[0]} stem", or drop it'
            )

    def _take_thing(self, kind: str) -> None:
        if self._number is not None:  # "fir tree" names one thing twice
            self._count, self._number = self._number, None
        self._keep_waiting()
        self._kind, self._open, self._bare = kind, False, False

    def _take_part(self, word: str, shared: str | None) -> None:
        self._refuse_size(word)
        color, second, pattern = None, None, None
        if self._adjective:
            pattern, ahead = self._adjective
            self._adjective = None
            if len(self._waiting) == 2:
                color, second = self._waiting if ahead != 1 else self._waiting[::-1]
                self._waiting = []
        if color is None:
            color = self._waiting.pop() if self._waiting else shared
        if self._waiting and self._announced:
            raise ValueError(f"{word!r} takes one color, got {' and '.join([*self._waiting, color or ''])}; name one")
        self._keep_waiting()
        self._parts.append(Part(word, color, self._number, pattern, second))
        self._number, self._open, self._bare = None, color is None, False

    def _take_marks(self, token: Token) -> None:
        self._refuse_size(token.word)
        if self._number is not None:
            raise ValueError(f"how many {token.word} there are is not chosen here; leave the number out")
        if self._adjective:
            self._set_pattern(self._adjective[0])
        self._set_pattern(token.name)
        colors, self._waiting, self._adjective = self._waiting, [], None
        if len(colors) > 2 or (len(colors) == 2 and (self._colors or self._lone)):
            raise ValueError(f"{token.word!r} takes one color, got {' and '.join(colors)}; name one")
        self._colors += colors[:-1]
        if colors:
            self._set_second(colors[-1], token.word)
        self._open, self._bare = False, not colors

    def _take_pattern(self, name: str) -> None:
        if self._open:
            self._parts[-1] = replace(self._parts[-1], pattern=name)
        else:
            if self._adjective and self._adjective[0] != name:
                self._set_pattern(self._adjective[0])
                self._set_pattern(name)
            self._adjective = (name, len(self._waiting))

    def _take_color(self, color: str) -> None:
        if self._open:
            self._parts[-1] = replace(self._parts[-1], color=color)
            self._open = False
        elif self._bare:
            self._set_second(color, "pattern")
            self._bare = False
        else:
            self._waiting.append(color)

    def _separate(self, token: Token) -> None:
        both = token.role == "and" and self._adjective is not None and len(self._waiting) > self._adjective[1]
        self._open = self._bare = False
        if self._kind and not self._announced and not both:  # "striped red and white" is one description
            self._keep_waiting()
        if token.role == "and" and self._parts and not self._waiting:
            self._shared = self._parts[-1].color
        self._announced |= token.word.isalpha() and token.role == "link"

    def _keep_waiting(self) -> None:
        """What waits is the thing's own."""
        waiting, self._waiting = self._waiting, []
        if self._size:
            self._sizes.append(self._size)
            self._size = None
        if self._adjective is None:
            self._colors += waiting
            return
        name, ahead = self._adjective
        self._adjective = None
        self._set_pattern(name)
        if ahead == 1:
            self._lone, waiting = waiting[0], waiting[1:]
        elif self._kind and ahead == 0 and len(waiting) == 1:  # "a vase striped white"
            self._set_second(waiting.pop(), "pattern")
        self._colors += waiting

    def _set_pattern(self, name: str) -> None:
        if self._pattern not in (None, name):
            raise ValueError(f"a thing takes one pattern, got {self._pattern} and {name}; name one")
        self._pattern = name

    def _set_second(self, color: str, word: str) -> None:
        if self._second not in (None, color):
            raise ValueError(f"the {word} of a thing take one color, got {self._second} and {color}; name one")
        self._second = color

    def _refuse_size(self, word: str) -> None:
        if self._size:
            raise ValueError(f"{self._size!r} would change the size of {word!r}, which is fixed; leave it out")
