"""Where training pictures come from: the catalog, or a folder of the user's captioned pictures.

A source gives endless batches of (pictures (b, 3, S, S) in [0, 1], captions, cameras or None); every draw comes from
the generator it is handed, so that a resumed run sees the same pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from distill.catalog.captions import draw
from distill.catalog.pictures import LAW, Bank, open_bank
from distill.catalog.truth import slot_colors
from guidance.networks.text import SlotText, WordText
from guidance.teacher import CameraLaw
from guidance.teachers.embedded import camera_rows
from guidance.vocabulary import Caption

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


@dataclass(frozen=True)
class Batch:
    """pictures (b, 3, S, S) in [0, 1], text rows (b, r), camera rows (b, 4), zero where there is no camera."""

    pictures: Tensor
    text: Tensor
    camera: Tensor


class Source(Protocol):
    cameras: CameraLaw | None

    def batch(self, size: int, generator: torch.Generator, /) -> Batch: ...


def open_source(data: str, text: SlotText | WordText, side: int, cache: str, shards: int) -> Source:
    """The source that a recipe names, in `side` px, told as `text` tells it: the catalog where it is built in slots,
    otherwise the folder `data`."""
    if isinstance(text, SlotText):
        return CatalogSource(open_bank(Path(cache), side, shards), LAW, text.caption_row)
    return FolderSource(Path(data), side, text.rows)


class CatalogSource:
    """Training combinations of the catalog: random colors and random solid backgrounds on rendered geometry."""

    def __init__(self, bank: Bank, law: CameraLaw, caption_row: Callable[..., Tensor]) -> None:
        self.cameras: CameraLaw | None = law
        self._bank, self._caption_row = bank, caption_row

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        index = torch.randint(len(self._bank), (size,), generator=generator)
        pictures, captions = colored(self._bank, index, generator)
        text = torch.stack([self._caption_row(c) for c in captions])
        return Batch(pictures, text, camera_rows(self._bank.cameras[index]))


def colored(
    bank: Bank, index: Tensor, generator: torch.Generator, *, held_out: bool = False
) -> tuple[Tensor, list[Caption]]:
    """Rows `index` (b,) of a bank in random colors over random solid backgrounds, (b, 3, S, S), and their captions: of
    the training combinations, or of those held out."""
    captions = [draw(generator, held_out=held_out, layout=bank.layout(i)) for i in index.tolist()]
    colors = torch.stack([slot_colors(c.things) for c in captions])
    return bank.pictures(index, colors, torch.rand(len(index), 3, generator=generator)), captions


class FolderSource:
    """Pictures beside equally named .txt captions, squared by a center crop and held in memory.

    An empty caption is the unconditional prompt. ValueError in one line where the folder holds no picture, or a picture
    cannot be read or has no caption.
    """

    cameras: CameraLaw | None = None

    def __init__(self, folder: Path, side: int, rows: Callable[[list[str]], Tensor]) -> None:
        paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        if not paths:
            raise ValueError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))}); name a folder that does")
        missing = [p for p in paths if not p.with_suffix(".txt").exists()]
        if missing:
            several = f" ({len(missing)} pictures have none)" if len(missing) > 1 else ""
            raise ValueError(f"{missing[0]} has no caption; write one in {missing[0].stem}.txt{several}")
        self._pictures = torch.stack([_square(p, side) for p in paths])
        self._text = rows([_caption(p.with_suffix(".txt")) for p in paths])

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        index = torch.randint(len(self._pictures), (size,), generator=generator)
        return Batch(self._pictures[index].float() / 255, self._text[index], torch.zeros(size, 4))


def _caption(path: Path) -> str:
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text; save the caption as UTF-8") from error


def _square(path: Path, side: int) -> Tensor:
    """(3, side, side) uint8: the center square of a picture, upright, on white where it is transparent, resized."""
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no readable picture; replace it or take it out of the folder") from error
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    width, height = picture.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    square = picture.crop((left, top, left + edge, top + edge))
    small = square.resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)
