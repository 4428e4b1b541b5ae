"""The catalog's objects as part tables, by theme, and the colors. Data, no code."""

from distill.catalog.objects.animals import ANIMALS
from distill.catalog.objects.buildings import BUILDINGS
from distill.catalog.objects.food import FOOD
from distill.catalog.objects.furniture import FURNITURE
from distill.catalog.objects.nature import NATURE
from distill.catalog.objects.plain import PLAIN
from distill.catalog.objects.table import CatalogObject, Part, Slot, Triple
from distill.catalog.objects.tools import TOOLS
from distill.catalog.objects.toys import TOYS
from distill.catalog.objects.vehicles import VEHICLES

__all__ = ["COLORS", "COLOR_SYNONYMS", "OBJECTS", "CatalogObject", "Part", "Slot", "Triple"]

OBJECTS: tuple[CatalogObject, ...] = (
    *PLAIN,
    *NATURE,
    *FOOD,
    *FURNITURE,
    *VEHICLES,
    *BUILDINGS,
    *ANIMALS,
    *TOOLS,
    *TOYS,
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
