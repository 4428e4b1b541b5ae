"""Plain solids and signs."""

from math import cos, radians, sin

from distill.catalog.objects.table import BODY, CatalogObject, Part
from nerf.solids import BOX, ELLIPSOID, FRUSTUM, PYRAMID, TORUS, WEDGE

PLAIN = (
    CatalogObject("sphere", "blue", (BODY,), (Part(ELLIPSOID, 0, (1, 1, 1)),), ("ball", "orb"), support=True),
    CatalogObject("cube", "orange", (BODY,), (Part(BOX, 0, (1, 1, 1)),), ("box", "block"), support=True),
    CatalogObject("cylinder", "teal", (BODY,), (Part(FRUSTUM, 0, (0.5, 0.5, 0.85)),), ("column",), support=True),
    CatalogObject("cone", "purple", (BODY,), (Part(FRUSTUM, 0, (0.65, 0.0, 0.85)),)),
    CatalogObject("torus", "pink", (BODY,), (Part(TORUS, 0, (0.7, 0.28, 1)),), ("donut", "doughnut"), support=True),
    CatalogObject("pyramid", "gold", (BODY,), (Part(PYRAMID, 0, (0.85, 0.6, 0.85)),)),
    CatalogObject(
        "star",
        "yellow",
        (BODY,),
        tuple(
            Part(WEDGE, 0, (0.34, 0.5, 0.17), (-0.5 * sin(radians(a)), 0.5 * cos(radians(a)), 0), ("z", a))
            for a in range(0, 360, 72)
        ),
    ),
    CatalogObject(
        "heart",
        "red",
        (BODY,),
        (
            Part(BOX, 0, (0.45, 0.45, 0.22), (0, 0, 0), ("z", 45)),
            *(Part(FRUSTUM, 0, (0.45, 0.45, 0.22), (x, 0.318, 0), ("x", 90)) for x in (-0.318, 0.318)),
        ),
    ),
    CatalogObject(
        "moon",
        "yellow",
        (BODY,),
        (
            *(
                Part(
                    FRUSTUM,
                    0,
                    (0.04 + 0.26 * cos(radians(a - 8)), 0.04 + 0.26 * cos(radians(a + 8)), 0.12),
                    (-0.68 * cos(radians(1.2 * a)), 0.68 * sin(radians(1.2 * a)), 0),
                    ("z", -1.2 * a),
                )
                for a in range(-80, 81, 16)
            ),
            *(
                Part(
                    ELLIPSOID,
                    0,
                    (r, r, r),
                    (-0.685 * cos(radians(1.2 * a)), 0.685 * sin(radians(1.2 * a)), 0),
                )
                for a in range(-88, 89, 16)
                for r in (0.04 + 0.26 * cos(radians(a)),)
            ),
        ),
        ("crescent",),
    ),
    CatalogObject(
        "gem",
        "teal",
        (BODY,),
        (Part(FRUSTUM, 0, (0.7, 0.42, 0.18), (0, 0.62, 0)), Part(FRUSTUM, 0, (0.0, 0.7, 0.62), (0, -0.18, 0))),
        ("diamond", "crystal"),
    ),
)
