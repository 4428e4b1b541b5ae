"""What an object is made of: the rows of the part tables.

Each part is (kind, slot, size, center[, turn]) in the object's own coordinates: y up, front toward +z, `turn` = (axis,
degrees). Coordinates need no normalization; `truth` centers and scales every object into the box. A slot is a color
group: the first is the one that the color of "a red mushroom" paints, the others have a default color and can be named
("with a white stem"). A default of None follows the first slot.
"""

from dataclasses import dataclass

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    kind: int
    slot: int
    size: Triple
    center: Triple = (0.0, 0.0, 0.0)
    turn: tuple[str, float] | None = None


@dataclass(frozen=True)
class Slot:
    """A color group: its name, what else people call it, its default color (None: the main color), how many it has."""

    name: str
    synonyms: tuple[str, ...] = ()
    default: str | None = None
    count: int = 1


@dataclass(frozen=True)
class CatalogObject:
    """`natural` is the main color when a prompt names none; `support` says that things can stand on it."""

    name: str
    natural: str
    slots: tuple[Slot, ...]
    parts: tuple[Part, ...]
    synonyms: tuple[str, ...] = ()
    support: bool = False


BODY = Slot("body")
