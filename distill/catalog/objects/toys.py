"""Figures and toys."""

from distill.catalog.objects.table import BODY, CatalogObject, Part, Slot
from nerf.solids import BOX, CAPSULE, ELLIPSOID, FRUSTUM, TORUS

TOYS = (
    CatalogObject(
        "snowman",
        "white",
        (BODY, Slot("cap", ("eyes", "buttons"), "black"), Slot("nose", ("carrot",), "orange")),
        (
            Part(ELLIPSOID, 0, (0.52, 0.5, 0.52), (0, -0.55, 0)),
            Part(ELLIPSOID, 0, (0.36, 0.36, 0.36), (0, 0.12, 0)),
            Part(FRUSTUM, 1, (0.42, 0.42, 0.05), (0, 0.42, 0)),
            Part(FRUSTUM, 1, (0.26, 0.26, 0.19), (0, 0.62, 0)),
            Part(FRUSTUM, 2, (0.1, 0.02, 0.17), (0, 0.14, 0.48), ("x", 90)),
            *(Part(ELLIPSOID, 1, (0.06, 0.06, 0.06), (x, 0.25, 0.31)) for x in (-0.13, 0.13)),
            *(Part(ELLIPSOID, 1, (0.07, 0.07, 0.06), (0, y, z)) for y, z in ((-0.34, 0.47), (-0.56, 0.52))),
        ),
    ),
    CatalogObject(
        "robot",
        "silver",
        (BODY, Slot("head"), Slot("eyes", ("eye", "antenna"), "red", 2)),
        (
            Part(BOX, 0, (0.36, 0.38, 0.26), (0, -0.02, 0)),
            Part(BOX, 1, (0.27, 0.22, 0.22), (0, 0.58, 0)),
            Part(BOX, 0, (0.12, 0.28, 0.13), (-0.19, -0.66, 0)),
            Part(BOX, 0, (0.12, 0.28, 0.13), (0.19, -0.66, 0)),
            *(Part(BOX, 0, (0.15, 0.08, 0.2), (x, -0.88, 0.06)) for x in (-0.19, 0.19)),
            Part(CAPSULE, 0, (0.11, 0.26, 1), (-0.44, 0, 0)),
            Part(CAPSULE, 0, (0.11, 0.26, 1), (0.44, 0, 0)),
            *(Part(ELLIPSOID, 2, (0.08, 0.08, 0.05), (x, 0.64, 0.22)) for x in (-0.12, 0.12)),
            Part(FRUSTUM, 1, (0.05, 0.05, 0.1), (0, 0.88, 0)),
            Part(ELLIPSOID, 2, (0.08, 0.08, 0.08), (0, 1.0, 0)),
        ),
    ),
    CatalogObject(
        "trophy",
        "gold",
        (
            Slot("bowl", ("body",)),
            Slot("handles", ("handle", "ears"), count=2),
            Slot("base", ("foot",), "black"),
        ),
        (
            Part(FRUSTUM, 0, (0.2, 0.46, 0.36), (0, 0.4, 0)),
            Part(TORUS, 0, (0.44, 0.06, 1), (0, 0.76, 0)),
            Part(FRUSTUM, 0, (0.24, 0.09, 0.2), (0, -0.34, 0)),
            Part(FRUSTUM, 0, (0.09, 0.2, 0.1), (0, -0.06, 0)),
            *(Part(TORUS, 1, (0.2, 0.06, 1), (x, 0.46, 0), ("x", 90)) for x in (-0.46, 0.46)),
            Part(BOX, 2, (0.32, 0.14, 0.32), (0, -0.66, 0)),
        ),
        ("goblet",),
    ),
)
