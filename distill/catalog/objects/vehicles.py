"""What drives, floats and flies."""

from math import cos, radians, sin

from distill.catalog.objects.table import BODY, CatalogObject, Part, Slot
from nerf.solids import BOX, CAPSULE, DOME, ELLIPSOID, FRUSTUM, WEDGE

VEHICLES = (
    CatalogObject(
        "car",
        "red",
        (
            BODY,
            Slot("wheels", ("wheel", "tire", "tyre"), "black", 4),
            Slot("windows", ("window", "windshield", "cabin"), "silver", 4),
        ),
        (
            Part(BOX, 0, (0.46, 0.2, 0.8), (0, -0.08, 0)),
            *(Part(FRUSTUM, 0, (0.2, 0.2, 0.46), (0, -0.08, z), ("z", 90)) for z in (-0.8, 0.8)),
            Part(BOX, 2, (0.39, 0.17, 0.44), (0, 0.26, -0.16)),
            Part(WEDGE, 2, (0.24, 0.17, 0.39), (0, 0.26, 0.26), ("y", 90)),
            Part(WEDGE, 2, (0.24, 0.17, 0.39), (0, 0.26, -0.58), ("y", 90)),
            Part(BOX, 0, (0.4, 0.055, 0.46), (0, 0.46, -0.16)),
            *(
                Part(FRUSTUM, 1, (0.22, 0.22, 0.09), (x, -0.26, z), ("z", 90))
                for x in (-0.43, 0.43)
                for z in (-0.58, 0.58)
            ),
        ),
        ("automobile",),
        support=True,
    ),
    CatalogObject(
        "train",
        "red",
        (
            BODY,
            Slot("wheels", ("wheel",), "black", 6),
            Slot("chimney", ("smokestack", "funnel", "roof"), "gold"),
        ),
        (
            Part(BOX, 0, (0.34, 0.09, 0.95), (0, -0.22, 0)),
            Part(FRUSTUM, 0, (0.28, 0.28, 0.55), (0, 0.1, 0.32), ("x", 90)),
            Part(BOX, 0, (0.34, 0.38, 0.3), (0, 0.2, -0.6)),
            Part(BOX, 2, (0.42, 0.06, 0.4), (0, 0.6, -0.6)),
            Part(FRUSTUM, 2, (0.1, 0.17, 0.2), (0, 0.5, 0.6)),
            Part(DOME, 2, (0.14, 0.2, 0.14), (0, 0.32, 0.12)),
            Part(FRUSTUM, 2, (0.16, 0.14, 0.05), (0, 0.1, 0.9), ("x", 90)),
            Part(WEDGE, 1, (0.24, 0.17, 0.34), (0, -0.34, 0.92), ("y", 90)),
            *(
                Part(FRUSTUM, 1, (r, r, 0.07), (x, r - 0.55, z), ("z", 90))
                for x in (-0.34, 0.34)
                for r, z in ((0.25, -0.62), (0.2, -0.08), (0.2, 0.42))
            ),
        ),
        ("locomotive",),
    ),
    CatalogObject(
        "rocket",
        "white",
        (BODY, Slot("nose", ("tip", "nosecone", "window"), "red"), Slot("fins", ("fin", "wing"), "red", 4)),
        (
            Part(FRUSTUM, 0, (0.27, 0.41, 0.28), (0, -0.44, 0)),
            Part(FRUSTUM, 0, (0.41, 0.27, 0.32), (0, 0.16, 0)),
            Part(FRUSTUM, 1, (0.27, 0.0, 0.26), (0, 0.74, 0)),
            Part(ELLIPSOID, 1, (0.16, 0.16, 0.07), (0, 0.14, 0.35)),
            Part(WEDGE, 2, (0.72, 0.42, 0.055), (0, -0.48, 0)),
            Part(WEDGE, 2, (0.72, 0.42, 0.055), (0, -0.48, 0), ("y", 90)),
        ),
        ("spaceship", "rocketship"),
    ),
    CatalogObject(
        "ufo",
        "silver",
        (BODY, Slot("cockpit", ("dome", "window", "top"), "teal"), Slot("lights", ("bulbs",), "yellow", 8)),
        (
            Part(ELLIPSOID, 0, (0.95, 0.2, 0.95)),
            Part(FRUSTUM, 0, (0.3, 0.5, 0.1), (0, -0.2, 0)),
            Part(DOME, 1, (0.44, 0.42, 0.44), (0, 0.12, 0)),
            *(
                Part(ELLIPSOID, 2, (0.1, 0.1, 0.1), (0.72 * cos(radians(a)), 0.1, 0.72 * sin(radians(a))))
                for a in range(0, 360, 45)
            ),
        ),
        ("saucer", "flyingsaucer"),
    ),
    CatalogObject(
        "airplane",
        "white",
        (
            BODY,
            Slot("wings", ("wing", "tail", "fin"), "red", 2),
            Slot("windows", ("window", "cockpit", "engines"), "blue"),
        ),
        (
            Part(CAPSULE, 0, (0.19, 0.6, 1), (0, 0, 0.05), ("x", 90)),
            Part(FRUSTUM, 0, (0.19, 0.07, 0.25), (0, 0.04, -0.72), ("x", -90)),
            Part(BOX, 1, (0.95, 0.05, 0.2), (0, -0.03, 0.08)),
            Part(BOX, 1, (0.36, 0.045, 0.13), (0, 0.08, -0.82)),
            Part(BOX, 1, (0.045, 0.2, 0.15), (0, 0.28, -0.82)),
            Part(ELLIPSOID, 2, (0.15, 0.11, 0.17), (0, 0.13, 0.6)),
            *(Part(CAPSULE, 2, (0.09, 0.12, 1), (x, -0.12, 0.16), ("x", 90)) for x in (-0.48, 0.48)),
        ),
        ("plane", "aeroplane", "jet"),
    ),
    CatalogObject(
        "helicopter",
        "blue",
        (
            BODY,
            Slot("rotor", ("blades", "propeller", "skids"), "black"),
            Slot("window", ("cockpit", "windows"), "silver"),
        ),
        (
            Part(ELLIPSOID, 0, (0.34, 0.34, 0.46), (0, -0.04, 0.3)),
            Part(FRUSTUM, 0, (0.2, 0.07, 0.45), (0, 0.06, -0.42), ("x", -90)),
            Part(BOX, 0, (0.045, 0.2, 0.12), (0, 0.18, -0.84)),
            Part(ELLIPSOID, 2, (0.28, 0.26, 0.26), (0, 0.02, 0.54)),
            Part(FRUSTUM, 1, (0.08, 0.08, 0.16), (0, 0.38, 0.24)),
            Part(BOX, 1, (0.85, 0.045, 0.09), (0, 0.5, 0.24), ("y", 35)),
            Part(BOX, 1, (0.09, 0.045, 0.85), (0, 0.5, 0.24), ("y", 35)),
            *(Part(CAPSULE, 1, (0.05, 0.4, 1), (x, -0.52, 0.28), ("x", 90)) for x in (-0.28, 0.28)),
            *(
                Part(CAPSULE, 1, (0.05, 0.14, 1), (x, -0.4, z), ("z", a))
                for x, a in ((-0.23, -15), (0.23, 15))
                for z in (0.12, 0.44)
            ),
        ),
        ("chopper",),
    ),
    CatalogObject(
        "boat",
        "red",
        (Slot("hull", ("body", "flag")), Slot("sail", ("sails",), "white"), Slot("mast", ("deck", "pole"), "brown")),
        (
            Part(DOME, 0, (0.34, 0.36, 0.8), (0, -0.34, 0), ("z", 180)),
            Part(FRUSTUM, 2, (0.29, 0.29, 0.05), (0, -0.34, 0)),
            Part(FRUSTUM, 2, (0.055, 0.045, 0.68), (0, 0.28, 0.06)),
            Part(WEDGE, 1, (0.58, 0.48, 0.05), (0, 0.3, -0.14), ("y", 90)),
            Part(WEDGE, 1, (0.22, 0.34, 0.05), (0, 0.12, 0.42), ("y", 90)),
            Part(BOX, 0, (0.05, 0.07, 0.14), (0, 0.94, -0.02)),
        ),
        ("sailboat", "ship"),
    ),
    CatalogObject(
        "submarine",
        "yellow",
        (
            BODY,
            Slot("portholes", ("porthole", "windows", "window"), "blue", 6),
            Slot("propeller", ("periscope", "screw"), "gray"),
        ),
        (
            Part(CAPSULE, 0, (0.36, 0.5, 1), (0, -0.1, 0.06), ("x", 90)),
            Part(BOX, 0, (0.16, 0.18, 0.26), (0, 0.36, 0.12)),
            Part(CAPSULE, 2, (0.05, 0.2, 1), (0, 0.62, 0.14)),
            Part(CAPSULE, 2, (0.05, 0.06, 1), (0, 0.82, 0.2), ("x", 90)),
            *(
                Part(FRUSTUM, 1, (0.12, 0.1, 0.04), (s * 0.34, 0, z), ("z", -90 * s))
                for s in (-1, 1)
                for z in (-0.28, 0.06, 0.4)
            ),
            Part(FRUSTUM, 2, (0.08, 0.08, 0.14), (0, -0.1, -0.86), ("x", 90)),
            Part(BOX, 2, (0.34, 0.08, 0.05), (0, -0.1, -0.94), ("z", 45)),
            Part(BOX, 2, (0.34, 0.08, 0.05), (0, -0.1, -0.94), ("z", -45)),
        ),
    ),
)
