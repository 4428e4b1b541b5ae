"""What people build."""

from math import cos, radians, sin

from distill.catalog.objects.table import CatalogObject, Part, Slot
from nerf.solids import BOX, DOME, FRUSTUM, WEDGE

BUILDINGS = (
    CatalogObject(
        "house",
        "yellow",
        (
            Slot("walls", ("wall",), count=4),
            Slot("roof", ("top", "chimney"), "red"),
            Slot("door", ("window", "windows"), "brown"),
        ),
        (
            Part(BOX, 0, (0.46, 0.34, 0.64), (0, -0.4, 0)),
            Part(WEDGE, 1, (0.7, 0.4, 0.76), (0, 0.34, 0)),
            Part(BOX, 1, (0.1, 0.34, 0.1), (0.34, 0.44, -0.36)),
            Part(BOX, 2, (0.14, 0.24, 0.04), (0, -0.5, 0.64)),
            *(Part(BOX, 2, (0.04, 0.13, 0.14), (x, -0.36, z)) for x in (-0.46, 0.46) for z in (-0.3, 0.3)),
            Part(BOX, 2, (0.16, 0.13, 0.04), (0, -0.36, -0.64)),
        ),
        ("hut", "cottage"),
    ),
    CatalogObject(
        "castle",
        "gray",
        (Slot("walls", ("wall",), count=4), Slot("roofs", ("roof", "top"), "red", 4), Slot("gate", ("door",), "brown")),
        (
            Part(BOX, 0, (0.56, 0.32, 0.56), (0, -0.36, 0)),
            *(Part(FRUSTUM, 0, (0.23, 0.21, 0.5), (x, -0.18, z)) for x in (-0.56, 0.56) for z in (-0.56, 0.56)),
            *(Part(FRUSTUM, 1, (0.3, 0.0, 0.27), (x, 0.58, z)) for x in (-0.56, 0.56) for z in (-0.56, 0.56)),
            *(Part(BOX, 0, (0.08, 0.07, 0.07), (x, 0.02, z)) for x in (-0.2, 0.2) for z in (-0.5, 0.5)),
            *(Part(BOX, 0, (0.07, 0.07, 0.08), (x, 0.02, z)) for x in (-0.5, 0.5) for z in (-0.2, 0.2)),
            Part(BOX, 2, (0.16, 0.16, 0.04), (0, -0.52, 0.56)),
            Part(FRUSTUM, 2, (0.16, 0.16, 0.04), (0, -0.36, 0.56), ("x", 90)),
        ),
        ("fortress", "fort"),
    ),
    CatalogObject(
        "tower",
        "gray",
        (
            Slot("walls", ("wall", "battlements", "body")),
            Slot("door", ("gate", "windows", "window"), "brown"),
            Slot("flag", ("banner",), "red"),
        ),
        (
            Part(FRUSTUM, 0, (0.49, 0.42, 0.52), (0, -0.3, 0)),
            Part(FRUSTUM, 0, (0.44, 0.58, 0.1), (0, 0.26, 0)),
            *(
                Part(BOX, 0, (0.13, 0.13, 0.08), (0.48 * sin(radians(a)), 0.46, 0.48 * cos(radians(a))), ("y", a))
                for a in range(0, 360, 60)
            ),
            Part(BOX, 1, (0.16, 0.2, 0.06), (0, -0.62, 0.45)),
            Part(FRUSTUM, 1, (0.16, 0.16, 0.06), (0, -0.42, 0.45), ("x", 90)),
            Part(BOX, 1, (0.07, 0.14, 0.06), (0.44, -0.06, 0), ("y", 90)),
            Part(BOX, 1, (0.07, 0.14, 0.06), (-0.44, -0.06, 0), ("y", 90)),
            Part(FRUSTUM, 2, (0.055, 0.055, 0.36), (0, 0.68, 0)),
            Part(BOX, 2, (0.22, 0.13, 0.05), (0.24, 0.9, 0)),
        ),
        ("castletower", "turret", "keep"),
    ),
    CatalogObject(
        "lighthouse",
        "white",
        (
            Slot("walls", ("wall", "body")),
            Slot("trim", ("roof", "top", "gallery"), "red"),
            Slot("lantern", ("beacon",), "yellow"),
        ),
        (
            Part(FRUSTUM, 0, (0.36, 0.2, 0.64), (0, -0.26, 0)),
            Part(FRUSTUM, 1, (0.335, 0.295, 0.12), (0, -0.5, 0)),
            Part(FRUSTUM, 1, (0.275, 0.235, 0.12), (0, 0.02, 0)),
            Part(FRUSTUM, 1, (0.31, 0.31, 0.05), (0, 0.4, 0)),
            Part(FRUSTUM, 2, (0.17, 0.17, 0.14), (0, 0.56, 0)),
            Part(FRUSTUM, 1, (0.27, 0.0, 0.15), (0, 0.82, 0)),
            Part(FRUSTUM, 0, (0.52, 0.46, 0.08), (0, -0.9, 0)),
        ),
    ),
    CatalogObject(
        "windmill",
        "white",
        (
            Slot("walls", ("wall", "body")),
            Slot("roof", ("top", "door"), "red"),
            Slot("sails", ("sail", "blades", "blade", "vanes"), "brown", 4),
        ),
        (
            Part(FRUSTUM, 0, (0.38, 0.25, 0.55), (0, -0.4, 0)),
            Part(DOME, 1, (0.3, 0.32, 0.3), (0, 0.13, 0)),
            Part(BOX, 1, (0.12, 0.2, 0.05), (0, -0.74, 0.37)),
            Part(FRUSTUM, 2, (0.09, 0.09, 0.14), (0, 0.24, 0.36), ("x", 90)),
            Part(BOX, 2, (0.05, 0.88, 0.045), (0, 0.24, 0.45), ("z", 45)),
            Part(BOX, 2, (0.05, 0.88, 0.045), (0, 0.24, 0.45), ("z", -45)),
            *(
                Part(BOX, 2, (0.15, 0.29, 0.045), (0.58 * x - 0.07 * y, 0.24 + 0.58 * y + 0.07 * x, 0.45), ("z", a))
                for x, y, a in ((0.7, 0.7, -45), (-0.7, 0.7, 45), (-0.7, -0.7, 135), (0.7, -0.7, 225))
            ),
        ),
        ("mill",),
    ),
    CatalogObject(
        "bridge",
        "brown",
        (
            Slot("deck", ("road", "planks")),
            Slot("railing", ("rail", "rails", "railings"), "red", 2),
            Slot("pillars", ("pillar", "base"), "gray", 2),
        ),
        (
            *(
                Part(BOX, 0, (0.13, 0.06, 0.3), (0.9 * sin(radians(a)), 0.9 * cos(radians(a)) - 0.72, 0), ("z", -a))
                for a in range(-60, 61, 15)
            ),
            *(
                Part(BOX, 1, (0.14, 0.05, 0.05), (1.14 * sin(radians(a)), 1.14 * cos(radians(a)) - 0.72, z), ("z", -a))
                for a in range(-45, 46, 15)
                for z in (-0.27, 0.27)
            ),
            *(
                Part(BOX, 1, (0.05, 0.14, 0.05), (1.02 * sin(radians(a)), 1.02 * cos(radians(a)) - 0.72, z), ("z", -a))
                for a in (-48, -16, 16, 48)
                for z in (-0.27, 0.27)
            ),
            *(Part(BOX, 2, (0.17, 0.2, 0.36), (x, -0.4, 0)) for x in (-0.8, 0.8)),
        ),
        ("footbridge",),
    ),
)
