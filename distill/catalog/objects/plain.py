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
            Part(ELLIPSOID, 0, (0.42, 0.6, 0.34), (-0.27, 0.14, 0), ("z", 36)),
            Part(ELLIPSOID, 0, (0.42, 0.6, 0.34), (0.27, 0.14, 0), ("z", -36)),
            Part(ELLIPSOID, 0, (0.3, 0.5, 0.33), (0, -0.1, 0)),
            Part(PYRAMID, 0, (0.52, 0.34, 0.26), (0, -0.44, 0), ("z", 180)),
        ),
    ),
    CatalogObject(
        "moon",
        "yellow",
        (BODY,),
        tuple(
            Part(
                ELLIPSOID,
                0,
                (0.06 + 0.22 * cos(radians(a)), 0.34 - 0.001 * abs(a), 0.06 + 0.22 * cos(radians(a))),
                (-0.62 * cos(radians(1.15 * a)), 0.62 * sin(radians(1.15 * a)), 0),
                ("z", -1.15 * a),
            )
            for a in range(-90, 91, 15)
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
