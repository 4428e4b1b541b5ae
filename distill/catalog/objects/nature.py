"""What grows."""

from math import cos, radians, sin

from distill.catalog.objects.table import BODY, CatalogObject, Part, Slot
from nerf.solids import CAPSULE, DOME, ELLIPSOID, FRUSTUM

NATURE = (
    CatalogObject(
        "mushroom",
        "red",
        (Slot("cap", ("top",)), Slot("stem", ("stalk", "foot"), "white")),
        (
            Part(DOME, 0, (0.85, 0.65, 0.85), (0, 0.05, 0)),
            Part(FRUSTUM, 1, (0.34, 0.26, 0.42), (0, -0.36, 0)),
        ),
        ("toadstool",),
        support=True,
    ),
    CatalogObject(
        "tree",
        "green",
        (Slot("leaves", ("foliage", "top")), Slot("trunk", ("stem",), "brown")),
        (
            Part(FRUSTUM, 1, (0.17, 0.12, 0.4), (0, -0.62, 0)),
            Part(ELLIPSOID, 0, (0.44, 0.4, 0.44), (0, 0.46, 0)),
            *(
                Part(ELLIPSOID, 0, (0.38, 0.34, 0.38), (0.34 * sin(radians(a)), y, 0.34 * cos(radians(a))))
                for a, y in ((0, 0.1), (72, 0.2), (144, 0.06), (216, 0.16), (288, 0.04))
            ),
        ),
        ("oak",),
    ),
    CatalogObject(
        "fir",
        "green",
        (Slot("needles", ("leaves", "branches", "top")), Slot("trunk", ("stem",), "brown")),
        (
            Part(FRUSTUM, 1, (0.13, 0.13, 0.2), (0, -0.85, 0)),
            Part(FRUSTUM, 0, (0.6, 0.18, 0.27), (0, -0.42, 0)),
            Part(FRUSTUM, 0, (0.48, 0.12, 0.25), (0, 0.02, 0)),
            Part(FRUSTUM, 0, (0.36, 0.0, 0.28), (0, 0.45, 0)),
        ),
        ("pine", "spruce", "firtree", "pinetree"),
    ),
    CatalogObject(
        "palm",
        "green",
        (
            Slot("fronds", ("leaves", "foliage", "top")),
            Slot("trunk", ("stem",), "brown"),
            Slot("coconuts", (), "orange", 3),
        ),
        (
            Part(FRUSTUM, 1, (0.15, 0.11, 0.36), (0.12, -0.62, 0), ("z", 10)),
            Part(FRUSTUM, 1, (0.11, 0.09, 0.38), (0, 0.06, 0), ("z", 8)),
            Part(ELLIPSOID, 0, (0.36, 0.07, 0.15), (0.27, 0.4, 0), ("z", -28)),
            Part(ELLIPSOID, 0, (0.36, 0.07, 0.15), (-0.37, 0.4, 0), ("z", 28)),
            Part(ELLIPSOID, 0, (0.15, 0.07, 0.36), (-0.05, 0.4, 0.32), ("x", 28)),
            Part(ELLIPSOID, 0, (0.15, 0.07, 0.36), (-0.05, 0.4, -0.32), ("x", -28)),
            *(
                Part(
                    ELLIPSOID,
                    0,
                    (0.34, 0.07, 0.14),
                    (-0.05 + 0.3 * cos(radians(a)), 0.53, -0.3 * sin(radians(a))),
                    ("y", a),
                )
                for a in (45, 135, 225, 315)
            ),
            *(
                Part(ELLIPSOID, 2, (0.1, 0.1, 0.1), (-0.05 + 0.14 * sin(radians(a)), 0.34, 0.14 * cos(radians(a))))
                for a in (0, 120, 240)
            ),
        ),
        ("palmtree",),
    ),
    CatalogObject(
        "flower",
        "red",
        (
            Slot("petals", ("petal",), count=6),
            Slot("center", ("middle",), "yellow"),
            Slot("stem", ("stalk", "leaves", "leaf"), "green"),
        ),
        (
            *(
                Part(
                    ELLIPSOID,
                    0,
                    (0.19, 0.25, 0.09),
                    (-0.32 * sin(radians(a)), 0.45 + 0.32 * cos(radians(a)), 0),
                    ("z", a),
                )
                for a in range(0, 360, 60)
            ),
            Part(ELLIPSOID, 1, (0.2, 0.2, 0.15), (0, 0.45, 0.03)),
            Part(CAPSULE, 2, (0.06, 0.55, 1), (0, -0.4, -0.06)),
            Part(ELLIPSOID, 2, (0.27, 0.11, 0.06), (-0.24, -0.5, -0.04), ("z", -35)),
            Part(ELLIPSOID, 2, (0.27, 0.11, 0.06), (0.24, -0.62, -0.04), ("z", 35)),
        ),
        ("daisy", "blossom"),
    ),
    CatalogObject(
        "cactus",
        "green",
        (BODY, Slot("pot", ("planter", "base"), "orange"), Slot("bloom", ("top",), "pink")),
        (
            Part(CAPSULE, 0, (0.24, 0.55, 1), (0, 0.1, 0)),
            Part(CAPSULE, 0, (0.13, 0.16, 1), (-0.34, 0.02, 0), ("z", 90)),
            Part(CAPSULE, 0, (0.13, 0.2, 1), (-0.5, 0.22, 0)),
            Part(CAPSULE, 0, (0.12, 0.16, 1), (0.34, 0.26, 0), ("z", 90)),
            Part(CAPSULE, 0, (0.12, 0.17, 1), (0.48, 0.43, 0)),
            Part(FRUSTUM, 1, (0.3, 0.4, 0.26), (0, -0.72, 0)),
            Part(FRUSTUM, 1, (0.46, 0.46, 0.07), (0, -0.45, 0)),
            Part(ELLIPSOID, 2, (0.17, 0.1, 0.17), (0, 0.9, 0)),
        ),
    ),
    CatalogObject(
        "pumpkin",
        "orange",
        (BODY, Slot("stem", ("stalk",), "green")),
        (
            *(
                Part(ELLIPSOID, 0, (0.38, 0.42, 0.32), (0.5 * cos(radians(a)), 0, -0.5 * sin(radians(a))), ("y", a))
                for a in range(0, 360, 45)
            ),
            Part(ELLIPSOID, 0, (0.5, 0.36, 0.5)),
            Part(FRUSTUM, 1, (0.15, 0.1, 0.26), (0, 0.52, 0)),
            Part(CAPSULE, 1, (0.09, 0.08, 1), (0.06, 0.8, 0), ("z", -50)),
        ),
    ),
    CatalogObject(
        "apple",
        "red",
        (BODY, Slot("stem", ("stalk",), "brown"), Slot("leaf", (), "green")),
        (
            *(
                Part(ELLIPSOID, 0, (0.42, 0.5, 0.42), (0.19 * cos(radians(a)), 0, 0.19 * sin(radians(a))))
                for a in range(0, 360, 60)
            ),
            Part(ELLIPSOID, 0, (0.42, 0.3, 0.42), (0, -0.3, 0)),
            Part(CAPSULE, 1, (0.07, 0.33, 1), (-0.07, 0.72, 0), ("z", 12)),
            Part(ELLIPSOID, 2, (0.36, 0.07, 0.19), (0.26, 0.82, 0), ("z", 25)),
        ),
    ),
    CatalogObject(
        "banana",
        "yellow",
        (BODY, Slot("tips", ("tip", "stem"), "brown", 2)),
        (
            *(
                Part(
                    FRUSTUM,
                    0,
                    (0.09 + 0.13 * cos(radians(1.4 * a - 9)), 0.09 + 0.13 * cos(radians(1.4 * a + 9)), 0.1),
                    (0.85 * sin(radians(a)), 0.4 - 0.85 * cos(radians(a)), 0),
                    ("z", a - 90),
                )
                for a in range(-52, 53, 13)
            ),
            *(
                Part(
                    ELLIPSOID,
                    0,
                    (r, r, r),
                    (0.855 * sin(radians(a)), 0.4 - 0.855 * cos(radians(a)), 0),
                )
                for a in (-58.5, -45.5, -32.5, -19.5, -6.5, 6.5, 19.5, 32.5, 45.5, 58.5)
                for r in (0.09 + 0.13 * cos(radians(1.4 * a)),)
            ),
            Part(CAPSULE, 1, (0.085, 0.1, 1), (0.82, 0.14, 0), ("z", -15)),
            Part(ELLIPSOID, 1, (0.1, 0.1, 0.1), (-0.79, 0.04, 0)),
        ),
    ),
)
