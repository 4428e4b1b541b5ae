"""Things to eat and drink, and what holds them."""

from math import cos, radians, sin

from distill.catalog.objects.table import BODY, CatalogObject, Part, Slot
from nerf.solids import BOX, CAPSULE, DOME, ELLIPSOID, FRUSTUM, TORUS, WEDGE

FOOD = (
    CatalogObject(
        "icecream",
        "pink",
        (
            Slot("scoops", ("scoop", "top"), count=2),
            Slot("waffle", ("wafer",), "gold"),
            Slot("cherry", ("topping",), "red"),
        ),
        (
            Part(ELLIPSOID, 0, (0.42, 0.38, 0.42), (0, 0.24, 0)),
            Part(ELLIPSOID, 0, (0.33, 0.31, 0.33), (0, 0.68, 0)),
            Part(FRUSTUM, 1, (0.03, 0.37, 0.54), (0, -0.4, 0)),
            Part(FRUSTUM, 1, (0.42, 0.42, 0.06), (0, 0.12, 0)),
            Part(ELLIPSOID, 2, (0.12, 0.12, 0.12), (0, 1.05, 0)),
        ),
        ("icecreamcone",),
    ),
    CatalogObject(
        "burger",
        "gold",
        (Slot("bun", ("bread",)), Slot("patty", ("meat",), "brown"), Slot("lettuce", ("salad",), "green")),
        (
            Part(DOME, 0, (0.74, 0.4, 0.74), (0, 0.09, 0)),
            Part(FRUSTUM, 0, (0.64, 0.72, 0.11), (0, -0.36, 0)),
            Part(FRUSTUM, 1, (0.77, 0.77, 0.1), (0, -0.16, 0)),
            Part(FRUSTUM, 2, (0.72, 0.72, 0.06), (0, 0.02, 0)),
            *(
                Part(ELLIPSOID, 2, (0.2, 0.08, 0.2), (0.68 * cos(radians(a)), 0.02, 0.68 * sin(radians(a))))
                for a in range(0, 360, 45)
            ),
        ),
        ("hamburger", "cheeseburger"),
        support=True,
    ),
    CatalogObject(
        "cake",
        "pink",
        (BODY, Slot("icing", ("frosting", "top"), "white"), Slot("cherries", ("cherry", "berries"), "red", 6)),
        (
            Part(FRUSTUM, 0, (0.68, 0.68, 0.24), (0, -0.48, 0)),
            Part(FRUSTUM, 1, (0.72, 0.7, 0.07), (0, -0.2, 0)),
            *(
                Part(CAPSULE, 1, (0.1, d, 1), (0.64 * cos(radians(a)), -0.26, 0.64 * sin(radians(a))))
                for a, d in zip(range(0, 360, 36), (0.1, 0.2, 0.08, 0.16, 0.12) * 2, strict=True)
            ),
            Part(FRUSTUM, 0, (0.42, 0.42, 0.25), (0, 0.11, 0)),
            Part(FRUSTUM, 1, (0.46, 0.44, 0.07), (0, 0.4, 0)),
            *(
                Part(CAPSULE, 1, (0.08, d, 1), (0.4 * cos(radians(a)), 0.34, 0.4 * sin(radians(a))))
                for a, d in zip(range(20, 380, 60), (0.08, 0.16, 0.06) * 2, strict=True)
            ),
            *(
                Part(ELLIPSOID, 2, (0.11, 0.11, 0.11), (0.29 * cos(radians(a)), 0.53, 0.29 * sin(radians(a))))
                for a in range(0, 360, 60)
            ),
        ),
    ),
    CatalogObject(
        "pizza",
        "yellow",
        (Slot("cheese"), Slot("crust", ("edge",), "brown"), Slot("pepperoni", ("salami", "topping"), "red", 4)),
        (
            Part(WEDGE, 0, (0.62, 0.8, 0.09), (0, 0, 0.12), ("x", 90)),
            Part(CAPSULE, 1, (0.15, 0.58, 1), (0, 0.03, -0.7), ("z", 90)),
            *(
                Part(FRUSTUM, 2, (0.14, 0.13, 0.05), (x, 0.1, z))
                for x, z in ((-0.25, -0.38), (0.2, -0.3), (-0.04, 0.05), (0.05, 0.42))
            ),
        ),
    ),
    CatalogObject(
        "mug",
        "blue",
        (BODY, Slot("handle", ("ear",)), Slot("drink", ("coffee", "tea"), "brown")),
        (
            Part(FRUSTUM, 0, (0.5, 0.5, 0.6)),
            Part(FRUSTUM, 2, (0.42, 0.42, 0.06), (0, 0.57, 0)),
            Part(TORUS, 1, (0.3, 0.085, 1), (0.52, 0, 0), ("x", 90)),
        ),
        ("cup",),
    ),
    CatalogObject(
        "bottle",
        "green",
        (BODY, Slot("cork", ("lid", "stopper"), "brown"), Slot("label", ("sticker",), "white")),
        (
            Part(FRUSTUM, 0, (0.26, 0.26, 0.5), (0, -0.4, 0)),
            Part(ELLIPSOID, 0, (0.26, 0.26, 0.26), (0, 0.1, 0)),
            Part(FRUSTUM, 0, (0.12, 0.11, 0.3), (0, 0.52, 0)),
            Part(FRUSTUM, 0, (0.15, 0.15, 0.05), (0, 0.8, 0)),
            Part(FRUSTUM, 1, (0.09, 0.11, 0.12), (0, 0.94, 0)),
            Part(FRUSTUM, 2, (0.28, 0.28, 0.23), (0, -0.38, 0)),
        ),
    ),
    CatalogObject(
        "vase",
        "blue",
        (
            BODY,
            Slot("band", ("belt",), "gold"),
            Slot("rim", ("lip", "top", "foot", "base"), "white"),
        ),
        (
            Part(FRUSTUM, 0, (0.2, 0.5, 0.44), (0, -0.34, 0)),
            Part(DOME, 0, (0.5, 0.32, 0.5), (0, 0.1, 0)),
            Part(FRUSTUM, 0, (0.22, 0.15, 0.14), (0, 0.46, 0)),
            Part(FRUSTUM, 0, (0.15, 0.32, 0.13), (0, 0.7, 0)),
            Part(FRUSTUM, 1, (0.455, 0.53, 0.11), (0, 0, 0)),
            Part(TORUS, 2, (0.31, 0.06, 1), (0, 0.83, 0)),
            Part(FRUSTUM, 2, (0.34, 0.24, 0.08), (0, -0.8, 0)),
        ),
        ("urn",),
    ),
    CatalogObject(
        "teapot",
        "teal",
        (BODY, Slot("lid", ("top",), "white"), Slot("handle", ("ear",), "gold")),
        (
            Part(ELLIPSOID, 0, (0.56, 0.46, 0.56)),
            Part(FRUSTUM, 0, (0.36, 0.36, 0.06), (0, -0.42, 0)),
            Part(FRUSTUM, 0, (0.17, 0.1, 0.26), (0.62, 0.02, 0), ("z", -50)),
            Part(FRUSTUM, 0, (0.1, 0.08, 0.12), (0.84, 0.27, 0), ("z", -15)),
            Part(TORUS, 2, (0.27, 0.07, 1), (-0.58, 0.04, 0), ("x", 90)),
            Part(DOME, 1, (0.34, 0.18, 0.34), (0, 0.38, 0)),
            Part(ELLIPSOID, 1, (0.1, 0.1, 0.1), (0, 0.62, 0)),
        ),
        ("kettle",),
    ),
    CatalogObject(
        "barrel",
        "brown",
        (BODY, Slot("hoops", ("hoop",), "gray", 4), Slot("tap", ("spigot", "faucet"), "gold")),
        (
            Part(FRUSTUM, 0, (0.42, 0.52, 0.36), (0, 0, -0.36), ("x", 90)),
            Part(FRUSTUM, 0, (0.52, 0.42, 0.36), (0, 0, 0.36), ("x", 90)),
            Part(FRUSTUM, 1, (0.52, 0.55, 0.06), (0, 0, -0.2), ("x", 90)),
            Part(FRUSTUM, 1, (0.55, 0.52, 0.06), (0, 0, 0.2), ("x", 90)),
            *(Part(FRUSTUM, 1, (0.47, 0.47, 0.06), (0, 0, z), ("x", 90)) for z in (-0.62, 0.62)),
            Part(CAPSULE, 2, (0.07, 0.12, 1), (0, -0.2, 0.82), ("x", 90)),
            Part(CAPSULE, 2, (0.06, 0.08, 1), (0, -0.28, 0.92)),
            *(Part(BOX, 0, (0.48, 0.12, 0.09), (0, -0.5, z)) for z in (-0.42, 0.42)),
        ),
        ("keg", "cask"),
        support=True,
    ),
)
