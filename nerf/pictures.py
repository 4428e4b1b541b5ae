"""Pictures and films as files, and sheets of many pictures to look at.

Pictures are (3, H, W), batches (V, 3, H, W), values in [0, 1], on any device. The only file that imports imageio.
"""

import errno
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import imageio.v2 as imageio
import numpy as np
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from nerf.atomic import replacing

PAPER, INK, FAINT = (250, 250, 248), (32, 32, 36), (110, 110, 116)
GAP = 10
H264 = ["-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
APART = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows' way to keep Ctrl-C from a child


@dataclass(frozen=True)
class Row:
    """One row of a contact sheet: its label, its pictures (3, H, W) of any size, and a caption under each, or none."""

    label: str
    pictures: Sequence[Tensor]
    captions: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.captions and len(self.captions) != len(self.pictures):
            raise ValueError(f"row {self.label!r} has {len(self.pictures)} pictures and {len(self.captions)} captions")


def to_bytes(picture: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1] as (H, W, 3) uint8; values outside are clamped."""
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"a picture has the shape (3, height, width), got {tuple(picture.shape)}")
    return (picture.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def save_png(path: Path, picture: Tensor) -> None:
    """Write (3, H, W) as a PNG, replacing an earlier file in one step. ValueError as in `atomic.replacing`."""
    data = to_bytes(picture)
    with replacing(path) as fresh:
        imageio.imwrite(fresh, data, format="png")


def load_png(path: Path) -> Tensor:
    """A PNG or JPEG as (3, H, W) in [0, 1]; transparent pixels lie on white. ValueError where it cannot be read."""
    try:
        picture = Image.open(path).convert("RGBA")
    except OSError as error:
        raise ValueError(f"cannot read the picture {path}: {error.strerror or 'not a picture'}") from error
    paper = Image.new("RGBA", picture.size, "white")
    flat = np.array(Image.alpha_composite(paper, picture).convert("RGB"))
    return torch.from_numpy(flat).permute(2, 0, 1).float() / 255


def save_mp4(path: Path, frames: Iterable[Tensor], *, fps: int = 24) -> None:
    """Write pictures of one size as H.264 in yuv420p, which every browser and phone plays, replacing an earlier file
    in one step. Odd sizes, which that format lacks, repeat their last row or column. ValueError without frames, and as
    in `atomic.replacing`.

    Runs ffmpeg itself: imageio's writer takes a film that was cut by a full disk for a good one.
    """
    film = [to_bytes(_even(frame)) for frame in frames]
    if not film:
        raise ValueError(f"no frames to write to {path}")
    height, width, _ = film[0].shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    with replacing(path) as fresh:
        command = [get_ffmpeg_exe(), "-y", "-v", "error", *raw, *H264, str(fresh)]
        data = b"".join(frame.tobytes() for frame in film)
        done = subprocess.run(command, input=data, capture_output=True, start_new_session=True, creationflags=APART)
        if done.returncode:
            raise _as_error(done.returncode, done.stderr.decode(errors="replace"))


def _as_error(code: int, said: str) -> OSError:
    """The OSError whose words are in what ffmpeg `said` before it ended with `code`."""
    for number in errno.errorcode:
        if os.strerror(number) in said:
            return OSError(number, os.strerror(number))
    return OSError(f"ffmpeg ended with code {code} {' '.join(said.split())[:200]}".strip())


def _even(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    return pad(picture[None].float(), (0, width % 2, 0, height % 2), mode="replicate")[0]


def strip(pictures: Tensor, size: int | None = None) -> Tensor:
    """A batch (V, 3, H, W) side by side: (3, H, V W), each resized to `size` pixels if given."""
    return torch.cat([_resized(p, size or p.shape[-1]) for p in pictures], dim=-1)


def _resized(picture: Tensor, size: int) -> Tensor:
    """(3, H, W) fitted into (3, size, size) on paper; whole multiples keep their hard pixels."""
    data = to_bytes(picture)
    height, width, _ = data.shape
    scale = size / max(height, width)
    way = Image.Resampling.NEAREST if scale == int(scale) else Image.Resampling.BICUBIC
    fitted = Image.fromarray(data).resize((max(1, round(width * scale)), max(1, round(height * scale))), way)
    sheet = Image.new("RGB", (size, size), PAPER)
    sheet.paste(fitted, ((size - fitted.width) // 2, (size - fitted.height) // 2))
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float() / 255


def contact_sheet(rows: Sequence[Row], *, columns: Sequence[str] = (), title: str = "", cell: int = 160) -> Tensor:
    """Rows of pictures with labels at the left, captions below, column headers and a title above: (3, H, W).

    `cell` is the pixels of a picture's side; text grows with it. Rows may differ in length.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    font, large = (ImageFont.load_default(max(11, cell // 12) * k) for k in (1, 1.5))
    line = sum(font.getmetrics()) + 2 if isinstance(font, ImageFont.FreeTypeFont) else 13
    margin = cell if any(row.label for row in rows) else 0
    top = GAP + (2 * line if title else 0) + (line + 4 if columns else 0)
    captions = [[_wrapped(text, font, cell, 2) for text in row.captions] for row in rows]
    heights = [cell + line * max((t.count("\n") + 1 for t in texts), default=0) + 2 * GAP for texts in captions]
    width = margin + max(len(row.pictures) for row in rows) * (cell + GAP) + GAP
    sheet = Image.new("RGB", (width, top + sum(heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), title, INK, large)
    for k, name in enumerate(columns):
        pen.text((GAP + margin + k * (cell + GAP) + cell // 2, top - 4), name, FAINT, font, anchor="md")
    y = top
    for row, texts, height in zip(rows, captions, heights, strict=True):
        label = _wrapped(row.label, font, margin - GAP, cell // line)
        pen.multiline_text((GAP, y + cell // 2), label, INK, font, anchor="lm", spacing=2)
        for k, picture in enumerate(row.pictures):
            x = GAP + margin + k * (cell + GAP)
            sheet.paste(Image.fromarray(to_bytes(_resized(picture, cell))), (x, y))
            if texts:
                pen.multiline_text((x, y + cell + 4), texts[k], FAINT, font, spacing=2)
        y += height
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float() / 255


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, most_lines: int) -> str:
    """`text` broken into lines that are about `width` pixels long, at most `most_lines` of them."""
    letters = max(4, int(width * len(text) / max(1.0, font.getlength(text))))
    return "\n".join(wrap(text, letters, max_lines=max(1, most_lines), placeholder=" …"))
