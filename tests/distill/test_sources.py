import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill.catalog import pictures
from distill.catalog.captions import VOCABULARY, Layout
from distill.catalog.truth import GROUPS, layout_of
from distill.sources import CatalogSource, FolderSource
from guidance.networks.text import SlotText, WordText
from guidance.vocabulary import Caption
from nerf.cameras import orbit

CAMERAS = orbit(4, elevation=0.2, distance=3.2, fov=math.radians(40))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The catalog


LAYOUTS = (Layout(("mushroom",), ("spotted",)), Layout(("mushroom", "table"), ("plain", "striped"), "next to"))


def striped_bank() -> pictures.Bank:
    """Four pictures: group g lit in column g, the last column empty; a mushroom, and one next to a table."""
    weights = torch.zeros(4, GROUPS + 1, 9, 9)
    for g in range(GROUPS):
        weights[:, g, :, g] = 1
    weights[:, GROUPS, :, :GROUPS] = 1
    return pictures.bank_of([(weights * 255).to(torch.uint8)], [*LAYOUTS, *LAYOUTS], CAMERAS)


def test_catalog_batches_show_what_their_captions_say():
    seen: list[Caption] = []

    def note(caption: Caption) -> torch.Tensor:
        seen.append(caption)
        return torch.tensor([float(len(seen))])

    batch = CatalogSource(striped_bank(), pictures.LAW, note).batch(300, generator())
    assert batch.pictures.shape == (300, 3, 9, 9)
    assert batch.text[:, 0].tolist() == list(range(1, 301))
    for i, caption in enumerate(seen):
        columns = batch.pictures[i, :, 0, :GROUPS].T
        shown = {4 * thing + slot: c for thing, t in enumerate(caption.things) for slot, c in enumerate(t.colors)}
        shown |= {4 * thing + 3: t.second for thing, t in enumerate(caption.things) if t.second}
        places, colors = list(shown), torch.tensor([VOCABULARY.colors[c] for c in shown.values()])
        assert torch.allclose(columns[places], colors, atol=1e-6)
    assert not any(caption.held_out for caption in seen)
    assert {layout_of(caption) for caption in seen} == set(LAYOUTS)
    background = batch.pictures[:, :, 0, -1]
    assert torch.equal(batch.pictures[:, :, 5, -1], background)
    assert background.mean() == pytest.approx(0.5, abs=0.05)
    assert background.std() == pytest.approx(12**-0.5, abs=0.02)


def test_catalog_cameras_are_those_of_the_pictures():
    text = SlotText(VOCABULARY, 8)
    batch = CatalogSource(striped_bank(), pictures.LAW, text.caption_row).batch(64, generator(1))
    assert set(batch.camera[:, 0].tolist()) == set(CAMERAS.azimuth.tolist())
    alone = batch.text[:, 1] == len(VOCABULARY.objects)  # odd rows of the bank are pairs
    facing = (batch.camera[:, 0] == CAMERAS.azimuth[0]) | (batch.camera[:, 0] == CAMERAS.azimuth[2])
    assert torch.equal(alone, facing)


def test_batches_come_from_the_generator_alone():
    source = CatalogSource(striped_bank(), pictures.LAW, SlotText(VOCABULARY, 8).caption_row)
    a, b, c = (source.batch(8, generator(seed)) for seed in (2, 2, 3))
    assert torch.equal(a.pictures, b.pictures)
    assert torch.equal(a.text, b.text)
    assert not torch.equal(a.pictures, c.pictures)


# Folders


def write(folder: Path, name: str, pixels: np.ndarray, caption: str | None = "a dog", **options) -> Path:
    path = folder / name
    Image.fromarray(pixels).save(path, **options)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return path


def plain(color: tuple[int, ...], width: int = 40, height: int = 40) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (height, width, len(color))).copy()


def open_folder(folder: Path, side: int = 16) -> FolderSource:
    return FolderSource(folder, side, WordText(8).rows)


def test_pictures_stay_with_their_captions(tmp_path):
    write(tmp_path, "a.png", plain((255, 0, 0)), " a red\n dog ")
    write(tmp_path, "b.jpg", plain((0, 0, 255)), "a blue dog")
    write(tmp_path, "notes.txt.bmp", plain((0, 255, 0)), "")
    (tmp_path / "readme.md").write_text("no picture")
    source = open_folder(tmp_path)
    batch = source.batch(200, generator())
    assert source.cameras is None
    assert not batch.camera.any()
    colors = batch.pictures[:, :, 8, 8].argmax(1)
    expected = WordText(8).rows(["a red dog", "", "a blue dog"])
    assert torch.equal(batch.text, expected[colors])
    assert (colors.bincount() > 45).all()
    assert batch.pictures.amin() >= 0
    assert batch.pictures.amax() <= 1


def test_pictures_are_squared_in_the_middle(tmp_path):
    pixels = plain((0, 0, 0), width=80)
    pixels[:, 20:60] = (0, 255, 0)
    write(tmp_path, "wide.png", pixels)
    assert (open_folder(tmp_path).batch(1, generator()).pictures[0, 1] == 1).all()


def test_pictures_are_upright_and_on_white(tmp_path):
    pixels = plain((10, 10, 10))
    pixels[:20] = (250, 250, 250)
    turned = Image.Exif()
    turned[0x0112] = 3  # photographed upside down
    write(tmp_path, "a.png", pixels, exif=turned)
    shown = open_folder(tmp_path).batch(1, generator()).pictures[0, 0]
    assert shown[0, 8] < 0.1 < 0.9 < shown[-1, 8]
    (tmp_path / "a.png").unlink()
    write(tmp_path, "b.png", plain((200, 0, 0, 0)))
    assert (open_folder(tmp_path).batch(1, generator()).pictures == 1).all()


def fail(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        open_folder(folder)
    return str(caught.value)


def test_bad_folders_are_one_clear_line(tmp_path):
    assert "holds no pictures (.bmp, .jpeg, .jpg, .png, .webp); name a folder that does" in fail(tmp_path)
    assert fail(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'} holds no pictures")
    write(tmp_path, "a.png", plain((1, 2, 3)), None)
    assert fail(tmp_path) == f"{tmp_path / 'a.png'} has no caption; write one in a.txt"
    write(tmp_path, "b.png", plain((1, 2, 3)), None)
    assert fail(tmp_path) == f"{tmp_path / 'a.png'} has no caption; write one in a.txt (2 pictures have none)"
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("a dog")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    assert fail(tmp_path) == f"{tmp_path / 'b.png'} is no readable picture; replace it or take it out of the folder"
    write(tmp_path, "b.png", plain((1, 2, 3)))
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfa")
    assert fail(tmp_path) == f"{tmp_path / 'b.txt'} is no UTF-8 text; save the caption as UTF-8"
