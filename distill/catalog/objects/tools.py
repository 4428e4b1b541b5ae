"""What people use, wear and play."""

from math import cos, radians, sin

from distill.catalog.objects.table import BODY, CatalogObject, Part, Slot
from nerf.solids import BOX, CAPSULE, DOME, ELLIPSOID, FRUSTUM, PYRAMID, TORUS, WEDGE

TOOLS = (
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
    CatalogObject(
        "sword",
        "silver",
        (Slot("blade"), Slot("guard", ("hilt", "pommel", "crossguard"), "gold"), Slot("grip", ("handle",), "brown")),
        (
            Part(BOX, 0, (0.12, 0.6, 0.055), (0, 0.22, 0)),
            Part(PYRAMID, 0, (0.12, 0.13, 0.055), (0, 0.95, 0)),
            Part(BOX, 1, (0.34, 0.06, 0.09), (0, -0.42, 0)),
            *(Part(ELLIPSOID, 1, (0.1, 0.1, 0.1), (x, -0.42, 0)) for x in (-0.34, 0.34)),
            Part(FRUSTUM, 2, (0.07, 0.075, 0.22), (0, -0.68, 0)),
            Part(ELLIPSOID, 1, (0.12, 0.12, 0.12), (0, -0.94, 0)),
        ),
    ),
    CatalogObject(
        "key",
        "gold",
        (BODY, Slot("bow", ("head", "handle"))),
        (
            Part(TORUS, 1, (0.27, 0.11, 1), (0, 0.6, 0), ("x", 90)),
            Part(FRUSTUM, 0, (0.085, 0.085, 0.62), (0, -0.32, 0)),
            Part(FRUSTUM, 0, (0.14, 0.14, 0.06), (0, 0.18, 0)),
            Part(BOX, 0, (0.17, 0.075, 0.075), (0.2, -0.84, 0)),
            Part(BOX, 0, (0.14, 0.07, 0.075), (0.17, -0.58, 0)),
        ),
    ),
    CatalogObject(
        "anchor",
        "gray",
        (BODY, Slot("stock", ("crossbar", "bar"), "brown")),
        (
            Part(CAPSULE, 0, (0.09, 0.66, 1), (0, -0.06, 0)),
            Part(TORUS, 0, (0.16, 0.065, 1), (0, 0.84, 0), ("x", 90)),
            Part(CAPSULE, 1, (0.085, 0.36, 1), (0, 0.46, 0), ("z", 90)),
            *(
                Part(
                    CAPSULE,
                    0,
                    (0.09, 0.11, 1),
                    (0.6 * sin(radians(a)), -0.12 - 0.6 * cos(radians(a)), 0),
                    ("z", a + 90),
                )
                for a in (-60, -40, -20, 0, 20, 40, 60)
            ),
            *(Part(PYRAMID, 0, (0.2, 0.15, 0.09), (0.62 * s, -0.28, 0), ("z", -s * 10)) for s in (-1, 1)),
        ),
    ),
    CatalogObject(
        "dumbbell",
        "black",
        (Slot("weights", ("weight", "plates"), count=2), Slot("bar", ("handle", "grip"), "silver")),
        (
            Part(FRUSTUM, 1, (0.1, 0.1, 0.9), (0, 0, 0), ("z", 90)),
            *(Part(FRUSTUM, 0, (0.42, 0.42, 0.12), (x, 0, 0), ("z", 90)) for x in (-0.52, 0.52)),
            *(Part(FRUSTUM, 0, (0.3, 0.3, 0.1), (x, 0, 0), ("z", 90)) for x in (-0.74, 0.74)),
        ),
        ("barbell",),
    ),
    CatalogObject(
        "umbrella",
        "red",
        (Slot("canopy", ("top", "shade")), Slot("handle", ("shaft", "stick", "pole", "grip"), "brown")),
        (
            Part(DOME, 0, (0.85, 0.5, 0.85), (0, 0.3, 0)),
            Part(FRUSTUM, 1, (0.05, 0.05, 0.86), (0, 0.06, 0)),
            Part(CAPSULE, 1, (0.055, 0.09, 1), (0.09, -0.84, 0), ("z", 50)),
            Part(CAPSULE, 1, (0.055, 0.1, 1), (0.22, -0.8, 0), ("z", -20)),
        ),
        ("parasol",),
    ),
    CatalogObject(
        "bell",
        "gold",
        (BODY, Slot("handle", ("loop", "top"), "brown"), Slot("clapper", ("tongue",), "black")),
        (
            Part(DOME, 0, (0.42, 0.36, 0.42), (0, 0.24, 0)),
            Part(FRUSTUM, 0, (0.5, 0.42, 0.28), (0, -0.02, 0)),
            Part(FRUSTUM, 0, (0.72, 0.5, 0.16), (0, -0.42, 0)),
            Part(FRUSTUM, 0, (0.72, 0.72, 0.05), (0, -0.6, 0)),
            Part(TORUS, 1, (0.15, 0.07, 1), (0, 0.74, 0), ("x", 90)),
            Part(ELLIPSOID, 2, (0.18, 0.18, 0.18), (0, -0.7, 0)),
        ),
    ),
    CatalogObject(
        "hat",
        "black",
        (BODY, Slot("band", ("ribbon",), "red")),
        (
            Part(FRUSTUM, 0, (0.85, 0.85, 0.06), (0, -0.4, 0)),
            Part(FRUSTUM, 0, (0.48, 0.54, 0.46), (0, 0.1, 0)),
            Part(FRUSTUM, 1, (0.515, 0.53, 0.12), (0, -0.22, 0)),
        ),
        ("tophat",),
        support=True,
    ),
    CatalogObject(
        "crown",
        "gold",
        (BODY, Slot("jewels", ("jewel", "rubies"), "red", 8), Slot("lining", ("velvet", "cushion"), "purple")),
        (
            *(
                Part(BOX, 0, (0.32, 0.2, 0.06), (0.7 * sin(radians(a)), -0.3, 0.7 * cos(radians(a))), ("y", a))
                for a in range(0, 360, 45)
            ),
            *(
                Part(WEDGE, 0, (0.26, 0.24, 0.06), (0.7 * sin(radians(a)), 0.12, 0.7 * cos(radians(a))), ("y", a))
                for a in range(0, 360, 45)
            ),
            *(
                Part(ELLIPSOID, 1, (0.1, 0.1, 0.1), (0.7 * sin(radians(a)), 0.38, 0.7 * cos(radians(a))))
                for a in range(0, 360, 45)
            ),
            Part(DOME, 2, (0.66, 0.42, 0.66), (0, -0.3, 0)),
        ),
        ("tiara",),
    ),
    CatalogObject(
        "ring",
        "gold",
        (Slot("band", ("body",)), Slot("jewel", ("sapphire",), "blue")),
        (
            Part(TORUS, 0, (0.56, 0.12, 1), (0, -0.2, 0), ("x", 90)),
            Part(FRUSTUM, 0, (0.12, 0.22, 0.1), (0, 0.46, 0)),
            Part(FRUSTUM, 1, (0.14, 0.34, 0.13), (0, 0.55, 0)),
            Part(FRUSTUM, 1, (0.34, 0.2, 0.07), (0, 0.74, 0)),
        ),
    ),
    CatalogObject(
        "guitar",
        "orange",
        (BODY, Slot("neck", ("fretboard", "head"), "brown"), Slot("hole", ("soundhole", "strings"), "black")),
        (
            Part(FRUSTUM, 0, (0.44, 0.44, 0.13), (0, -0.5, 0), ("x", 90)),
            Part(FRUSTUM, 0, (0.33, 0.33, 0.13), (0, -0.06, 0), ("x", 90)),
            Part(BOX, 1, (0.075, 0.46, 0.06), (0, 0.52, 0.09)),
            Part(BOX, 1, (0.13, 0.14, 0.06), (0, 0.98, 0.07)),
            Part(FRUSTUM, 2, (0.14, 0.14, 0.06), (0, -0.16, 0.1), ("x", 90)),
            Part(BOX, 2, (0.2, 0.045, 0.05), (0, -0.62, 0.13)),
            *(Part(CAPSULE, 2, (0.045, 0.13, 1), (0, y, 0.07), ("z", 90)) for y in (0.92, 1.06)),
        ),
        ("ukulele",),
    ),
)
