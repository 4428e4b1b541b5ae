"""Draws every thing of the catalog in its natural colors, name beneath: `results/catalog.png`."""

import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from distill.catalog.captions import VOCABULARY
from distill.catalog.objects import OBJECTS
from distill.catalog.pictures import LAW
from distill.evaluation import true_pictures
from guidance.vocabulary import Caption
from nerf.cameras import Cameras
from nerf.pictures import FAINT, to_bytes
from tests.bench.record import RESULTS

COLUMNS, CELL, GAP, LINE, MARGIN, FINER = 9, 120, 12, 22, 16, 4
AZIMUTH, ELEVATION, FOV = math.radians(35), math.radians(22), math.radians(36.5)


def portrait(name: str) -> Tensor:
    """A thing seen from the front, a little from the right and above, on white: (3, CELL, CELL)."""
    caption = Caption((VOCABULARY.thing(name, None, {}),))
    camera = Cameras(*(torch.tensor([value]) for value in (AZIMUTH, ELEVATION, LAW.distance[0], FOV)))
    return avg_pool2d(true_pictures(caption, camera, CELL * FINER), FINER)[0]


def sheet(names: tuple[str, ...]) -> Image.Image:
    """Portraits in rows of COLUMNS with their names."""
    rows = math.ceil(len(names) / COLUMNS)
    width, height = COLUMNS * (CELL + GAP) - GAP, rows * (CELL + LINE + GAP) - GAP
    picture = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for index, name in enumerate(names):
        row, column = divmod(index, COLUMNS)
        x, y = MARGIN + column * (CELL + GAP), MARGIN + row * (CELL + LINE + GAP)
        picture.paste(Image.fromarray(to_bytes(portrait(name))), (x, y))
        pen.text((x + CELL // 2, y + CELL + LINE // 2), name, FAINT, font, anchor="mm")
    return picture


def main(path: Path = RESULTS / "catalog.png") -> None:
    sheet(tuple(o.name for o in OBJECTS)).save(path, optimize=True)


if __name__ == "__main__":
    main()
