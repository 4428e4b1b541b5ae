"""What stands in a room."""

from distill.catalog.objects.table import CatalogObject, Part, Slot
from nerf.solids import BOX, CAPSULE, ELLIPSOID, FRUSTUM, TORUS

FURNITURE = (
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
        "lamp",
        "yellow",
        (Slot("shade", ("lampshade",)), Slot("base", ("foot", "pole"), "black")),
        (
            Part(FRUSTUM, 0, (0.6, 0.32, 0.32), (0, 0.5, 0)),
            Part(FRUSTUM, 1, (0.08, 0.08, 0.5), (0, -0.25, 0)),
            Part(FRUSTUM, 1, (0.45, 0.36, 0.09), (0, -0.72, 0)),
        ),
    ),
    CatalogObject(
        "sofa",
        "teal",
        (
            Slot("frame", ("back", "backrest", "arms")),
            Slot("cushions", ("cushion", "seat", "pillows"), "yellow", 2),
            Slot("feet", ("foot", "legs", "leg"), "brown", 4),
        ),
        (
            Part(BOX, 0, (0.95, 0.16, 0.42), (0, -0.2, 0)),
            Part(BOX, 0, (0.95, 0.36, 0.13), (0, 0.14, -0.34)),
            *(Part(BOX, 0, (0.13, 0.26, 0.42), (x, -0.06, 0)) for x in (-0.86, 0.86)),
            *(Part(CAPSULE, 0, (0.15, 0.27, 1), (x, 0.2, 0), ("x", 90)) for x in (-0.86, 0.86)),
            *(Part(BOX, 1, (0.34, 0.09, 0.36), (x, 0.04, 0.1)) for x in (-0.36, 0.36)),
            *(Part(FRUSTUM, 2, (0.06, 0.09, 0.09), (x, -0.44, z)) for x in (-0.8, 0.8) for z in (-0.3, 0.3)),
        ),
        ("couch", "settee"),
    ),
    CatalogObject(
        "bench",
        "brown",
        (Slot("seat", ("slats", "back", "backrest")), Slot("legs", ("leg", "frame", "feet"), "black", 2)),
        (
            *(Part(BOX, 0, (0.95, 0.05, 0.1), (0, 0, z)) for z in (-0.12, 0.12, 0.36)),
            *(Part(BOX, 0, (0.95, 0.1, 0.05), (0, y, -0.3)) for y in (0.26, 0.52)),
            *(Part(BOX, 1, (0.06, 0.52, 0.05), (x, 0.1, -0.38)) for x in (-0.7, 0.7)),
            *(Part(BOX, 1, (0.06, 0.2, 0.05), (x, -0.22, 0.36)) for x in (-0.7, 0.7)),
            *(Part(BOX, 1, (0.06, 0.05, 0.4), (x, -0.08, 0)) for x in (-0.7, 0.7)),
        ),
    ),
    CatalogObject(
        "ladder",
        "brown",
        (Slot("rails", ("rail", "sides"), count=2), Slot("rungs", ("rung", "steps", "step"), count=5)),
        (
            *(Part(BOX, 0, (0.06, 1.0, 0.08), (x, 0, 0)) for x in (-0.36, 0.36)),
            *(Part(FRUSTUM, 1, (0.055, 0.055, 0.36), (0, y, 0), ("z", 90)) for y in (-0.76, -0.38, 0, 0.38, 0.76)),
        ),
    ),
    CatalogObject(
        "candle",
        "white",
        (
            Slot("wax"),
            Slot("flame", ("fire",), "orange"),
            Slot("holder", ("base", "plate", "dish"), "gold"),
        ),
        (
            Part(FRUSTUM, 0, (0.22, 0.2, 0.5), (0, -0.1, 0)),
            Part(ELLIPSOID, 1, (0.13, 0.16, 0.13), (0, 0.55, 0)),
            Part(FRUSTUM, 1, (0.118, 0.0, 0.16), (0, 0.76, 0)),
            Part(FRUSTUM, 2, (0.42, 0.55, 0.08), (0, -0.66, 0)),
            Part(FRUSTUM, 2, (0.27, 0.27, 0.1), (0, -0.5, 0)),
            Part(TORUS, 2, (0.15, 0.06, 1), (0.64, -0.62, 0), ("x", 90)),
        ),
    ),
)
