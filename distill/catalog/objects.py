"""The catalog's objects as part tables: data, no code.

Each part is (kind, slot, size, center[, turn]) in the object's own coordinates: y up, front toward +z, `turn` = (axis,
degrees). Coordinates need no normalization; `truth` centers and scales every object into the box. A slot is a color
group: the first is the one that the color of "a red mushroom" paints, the others have a default color and can be named
("with a white stem"). A default of None follows the first slot.
"""

from dataclasses import dataclass

from nerf.solids import BOX, CAPSULE, DOME, ELLIPSOID, FRUSTUM, PYRAMID, TORUS, WEDGE

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

OBJECTS: tuple[CatalogObject, ...] = (
    CatalogObject("sphere", "blue", (BODY,), (Part(ELLIPSOID, 0, (1, 1, 1)),), ("ball", "orb"), support=True),
    CatalogObject("cube", "orange", (BODY,), (Part(BOX, 0, (1, 1, 1)),), ("box", "block"), support=True),
    CatalogObject("cylinder", "teal", (BODY,), (Part(FRUSTUM, 0, (0.5, 0.5, 0.85)),), ("column",), support=True),
    CatalogObject("cone", "purple", (BODY,), (Part(FRUSTUM, 0, (0.65, 0.0, 0.85)),)),
    CatalogObject("torus", "pink", (BODY,), (Part(TORUS, 0, (0.7, 0.28, 1)),), ("donut", "doughnut"), support=True),
    CatalogObject("pyramid", "gold", (BODY,), (Part(PYRAMID, 0, (0.85, 0.6, 0.85)),)),
    CatalogObject(
        "mushroom",
        "red",
        (Slot("cap", ("top", "hat")), Slot("stem", ("stalk", "foot"), "white")),
        (Part(DOME, 0, (0.85, 0.65, 0.85), (0, 0.05, 0)), Part(FRUSTUM, 1, (0.34, 0.26, 0.42), (0, -0.36, 0))),
        ("toadstool",),
    ),
    CatalogObject(
        "snowman",
        "white",
        (BODY, Slot("hat", ("tophat",), "black"), Slot("nose", ("carrot",), "orange")),
        (
            Part(ELLIPSOID, 0, (0.52, 0.5, 0.52), (0, -0.55, 0)),
            Part(ELLIPSOID, 0, (0.36, 0.36, 0.36), (0, 0.12, 0)),
            Part(FRUSTUM, 1, (0.42, 0.42, 0.035), (0, 0.42, 0)),
            Part(FRUSTUM, 1, (0.26, 0.26, 0.19), (0, 0.6, 0)),
            Part(FRUSTUM, 2, (0.1, 0.02, 0.17), (0, 0.14, 0.48), ("x", 90)),
        ),
    ),
    CatalogObject(
        "table",
        "brown",
        (Slot("top", ("plate", "tabletop")), Slot("legs", ("leg", "foot", "feet"), count=4)),
        (
            Part(BOX, 0, (1.0, 0.08, 0.7), (0, 0.55, 0)),
            *(Part(BOX, 1, (0.085, 0.5, 0.085), (x, -0.03, z)) for x in (-0.85, 0.85) for z in (-0.55, 0.55)),
        ),
        ("desk",),
        support=True,
    ),
    CatalogObject(
        "chair",
        "brown",
        (Slot("seat", ("back", "backrest")), Slot("legs", ("leg", "foot", "feet"), count=4)),
        (
            Part(BOX, 0, (0.5, 0.07, 0.5), (0, 0, 0)),
            Part(BOX, 0, (0.5, 0.48, 0.07), (0, 0.54, -0.43)),
            *(Part(BOX, 1, (0.07, 0.34, 0.07), (x, -0.4, z)) for x in (-0.42, 0.42) for z in (-0.42, 0.42)),
        ),
    ),
    CatalogObject(
        "mug",
        "blue",
        (BODY, Slot("handle", ("ear",)), Slot("drink", ("coffee", "tea", "inside"), "brown")),
        (
            Part(FRUSTUM, 0, (0.5, 0.5, 0.6)),
            Part(FRUSTUM, 2, (0.42, 0.42, 0.02), (0, 0.61, 0)),
            Part(TORUS, 1, (0.3, 0.085, 1), (0.52, 0, 0), ("x", 90)),
        ),
        ("cup",),
    ),
    CatalogObject(
        "lamp",
        "yellow",
        (Slot("shade", ("lampshade",)), Slot("base", ("foot", "stand", "pole"), "black")),
        (
            Part(FRUSTUM, 0, (0.6, 0.32, 0.32), (0, 0.5, 0)),
            Part(FRUSTUM, 1, (0.08, 0.08, 0.5), (0, -0.25, 0)),
            Part(FRUSTUM, 1, (0.45, 0.36, 0.09), (0, -0.72, 0)),
        ),
    ),
    CatalogObject(
        "rocket",
        "white",
        (BODY, Slot("nose", ("tip", "nosecone"), "red"), Slot("fins", ("fin", "wing"), "red", 4)),
        (
            Part(FRUSTUM, 0, (0.3, 0.3, 0.55), (0, -0.1, 0)),
            Part(FRUSTUM, 1, (0.3, 0.0, 0.27), (0, 0.72, 0)),
            Part(BOX, 2, (0.24, 0.2, 0.045), (0.42, -0.6, 0)),
            Part(BOX, 2, (0.24, 0.2, 0.045), (-0.42, -0.6, 0)),
            Part(BOX, 2, (0.045, 0.2, 0.24), (0, -0.6, 0.42)),
            Part(BOX, 2, (0.045, 0.2, 0.24), (0, -0.6, -0.42)),
        ),
        ("spaceship", "rocketship"),
    ),
    CatalogObject(
        "house",
        "yellow",
        (Slot("walls", ("wall",), count=4), Slot("roof", ("top",), "red"), Slot("door", (), "brown")),
        (
            Part(BOX, 0, (0.6, 0.42, 0.75), (0, -0.35, 0)),
            Part(WEDGE, 1, (0.75, 0.33, 0.85), (0, 0.4, 0)),
            Part(BOX, 2, (0.15, 0.25, 0.03), (0, -0.52, 0.75)),
        ),
        ("hut", "cottage"),
    ),
    CatalogObject(
        "car",
        "red",
        (
            BODY,
            Slot("wheels", ("wheel", "tire", "tyre"), "black", 4),
            Slot("windows", ("window", "cabin", "roof"), "gray", 4),
        ),
        (
            Part(BOX, 0, (0.46, 0.2, 1.0), (0, -0.08, 0)),
            Part(BOX, 2, (0.4, 0.17, 0.48), (0, 0.28, -0.18)),
            *(
                Part(FRUSTUM, 1, (0.21, 0.21, 0.09), (x, -0.26, z), ("z", 90))
                for x in (-0.43, 0.43)
                for z in (-0.6, 0.6)
            ),
        ),
        ("automobile",),
    ),
    CatalogObject(
        "tree",
        "green",
        (Slot("crown", ("leaves", "foliage", "top")), Slot("trunk", ("stem",), "brown")),
        (
            Part(FRUSTUM, 1, (0.16, 0.13, 0.35), (0, -0.65, 0)),
            Part(FRUSTUM, 0, (0.62, 0.12, 0.36), (0, -0.05, 0)),
            Part(FRUSTUM, 0, (0.46, 0.0, 0.36), (0, 0.44, 0)),
        ),
        ("fir", "pine"),
    ),
    CatalogObject(
        "robot",
        "silver",
        (BODY, Slot("head"), Slot("eyes", ("eye",), "red", 2)),
        (
            Part(BOX, 0, (0.36, 0.38, 0.26), (0, -0.02, 0)),
            Part(BOX, 1, (0.24, 0.2, 0.22), (0, 0.6, 0)),
            Part(BOX, 0, (0.12, 0.28, 0.13), (-0.19, -0.66, 0)),
            Part(BOX, 0, (0.12, 0.28, 0.13), (0.19, -0.66, 0)),
            Part(CAPSULE, 0, (0.1, 0.28, 1), (-0.5, 0, 0)),
            Part(CAPSULE, 0, (0.1, 0.28, 1), (0.5, 0, 0)),
            Part(ELLIPSOID, 2, (0.07, 0.07, 0.05), (-0.1, 0.64, 0.22)),
            Part(ELLIPSOID, 2, (0.07, 0.07, 0.05), (0.1, 0.64, 0.22)),
        ),
    ),
    CatalogObject(
        "hammer",
        "gray",
        (Slot("head", ("top",)), Slot("handle", ("grip", "shaft"), "brown")),
        (
            Part(FRUSTUM, 1, (0.1, 0.085, 0.62), (0, -0.25, 0)),
            Part(BOX, 0, (0.3, 0.17, 0.17), (0.16, 0.5, 0)),
            Part(WEDGE, 0, (0.17, 0.2, 0.17), (-0.33, 0.5, 0), ("z", 90)),
        ),
    ),
)

COLORS: dict[str, Triple] = {
    "red": (0.84, 0.13, 0.14),
    "orange": (0.95, 0.50, 0.09),
    "yellow": (0.96, 0.83, 0.16),
    "green": (0.20, 0.62, 0.22),
    "teal": (0.07, 0.56, 0.55),
    "blue": (0.14, 0.33, 0.82),
    "purple": (0.50, 0.20, 0.70),
    "pink": (0.95, 0.52, 0.70),
    "brown": (0.47, 0.29, 0.15),
    "black": (0.10, 0.10, 0.11),
    "gray": (0.48, 0.48, 0.50),
    "white": (0.95, 0.95, 0.94),
    "gold": (0.80, 0.62, 0.20),
    "silver": (0.74, 0.76, 0.80),
}

COLOR_SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "orange": (),
    "yellow": (),
    "green": ("emerald",),
    "teal": ("turquoise",),
    "blue": (),
    "purple": ("violet",),
    "pink": (),
    "brown": (),
    "black": ("ebony",),
    "gray": ("grey",),
    "white": ("ivory", "snowy"),
    "gold": ("golden",),
    "silver": ("silvery",),
}
