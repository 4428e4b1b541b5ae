import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from nerf import atomic
from nerf.pictures import Row, contact_sheet, load_png, save_mp4, save_png, strip, to_bytes


def flat(color, height=16, width=16):
    return torch.tensor(color).view(3, 1, 1).expand(3, height, width)


def test_png_round_trip(tmp_path):
    picture = torch.rand(3, 5, 9, generator=torch.Generator().manual_seed(0))
    save_png(tmp_path / "a.png", picture)
    assert (load_png(tmp_path / "a.png") - picture).abs().max() <= 0.5 / 255 + 1e-6
    assert os.listdir(tmp_path) == ["a.png"]


def test_values_outside_are_clamped_and_rows_are_rows():
    picture = torch.zeros(3, 2, 3)
    picture[0, 1, 2] = 2.0
    picture[1, 0, 0] = -1.0
    data = to_bytes(picture)
    assert data.shape == (2, 3, 3)
    assert data[1, 2].tolist() == [255, 0, 0]
    assert data.sum() == 255


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4), (1, 3, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="height, width"):
        to_bytes(torch.zeros(shape))


def test_transparent_pixels_lie_on_white(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0, 0], [255, 0, 0, 255]]], dtype=np.uint8)).save(tmp_path / "a.png")
    assert load_png(tmp_path / "a.png")[:, 0].T.tolist() == [[1, 1, 1], [1, 0, 0]]
    (tmp_path / "b.png").write_text("no picture")
    for name in ("b.png", "c.png"):
        with pytest.raises(ValueError, match=name):
            load_png(tmp_path / name)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 47)])
def test_film_holds_its_frames(tmp_path, height, width):
    colors = [[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9]]
    path = tmp_path / "a.mp4"
    save_mp4(path, (flat(c, height, width) for c in colors for _ in range(4)), fps=12)
    even = (height + height % 2, width + width % 2)
    command = [get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    film = np.frombuffer(decoded.stdout, dtype=np.uint8).reshape(-1, *even, 3)
    assert len(film) == 12
    middle = film[[1, 5, 9], height // 2, width // 2] / 255
    assert np.abs(middle - colors).max() < 0.1
    about = decoded.stderr.decode()
    assert f"yuv420p(progressive), {even[1]}x{even[0]}" in about
    assert "12 fps" in about
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")  # plays before it is loaded whole
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_film_that_breaks_off_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")

    def frames():
        yield flat([0.5, 0.5, 0.5], 32, 32)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        save_mp4(path, frames())
    with pytest.raises(ValueError, match="no frames"):
        save_mp4(path, [])
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    ("words", "number"), [("Error writing trailer: No space left on device", errno.ENOSPC), ("a strange end", None)]
)
def test_a_film_that_ffmpeg_gives_up_leaves_the_earlier_one(tmp_path, monkeypatch, words, number):
    """As on a full disk, where ffmpeg leaves a cut film behind, and says so only by its exit code."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")

    def give_up(command, **_):
        Path(command[-1]).write_bytes(b"cut")
        return subprocess.CompletedProcess(command, 228, b"", words.encode())

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", give_up)
        with pytest.raises(ValueError, match=words.removeprefix("Error writing trailer: ")) as caught:
            save_mp4(path, [flat([0.5, 0.5, 0.5], 32, 32)])
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_strip_keeps_the_order():
    pictures = torch.stack([flat([k / 4, 0.0, 0.0]) for k in range(4)])
    found = strip(pictures, 32)
    assert found.shape == (3, 32, 128)
    assert found[0, 16, 16::32].tolist() == pytest.approx([0, 0.25, 0.5, 0.75], abs=0.01)
    assert strip(pictures).shape == (3, 16, 64)


def test_contact_sheet_places_every_picture():
    colors = [[[0.1 * i, 0.2 * j, 0.5] for j in range(3)] for i in range(2)]
    rows = [Row("a red ball on a blue box", [flat(c) for c in row], ["IoU 0.9"] * 3) for row in colors]
    sheet = contact_sheet(rows, columns=["front", "right", "back"], title="Title", cell=64)
    flattened = sheet.reshape(3, -1).T
    for row in colors:
        for color in row:
            matches = ((flattened - torch.tensor(color)).abs().amax(1) < 0.5 / 255 + 1e-6).sum()
            assert matches >= 64 * 64
    assert (sheet[:, -1] > 0.95).all()  # light paper
    plain = contact_sheet([Row("", [flat(colors[0][0])])], cell=64)
    assert plain.shape[2] < 100
    assert (sheet.mean(0) < 0.5).any()  # there is text


def test_uneven_rows_long_labels_and_wide_pictures_fit():
    rows = [
        Row("word " * 60, [flat([0.2, 0.2, 0.9], 10, 40)]),
        Row("b", [flat([0.9, 0.2, 0.2])] * 3, ["long " * 30] * 3),
    ]
    sheet = contact_sheet(rows, cell=80)
    assert sheet.shape[2] == 80 + 3 * 90 + 10
    assert torch.isfinite(sheet).all()


def test_wrong_sheets_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])
    with pytest.raises(ValueError, match="2 captions"):
        Row("a", [flat([0.0, 0.0, 0.0])], ["one", "two"])


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"earlier")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(ValueError, match=r"cannot write .*a\.png: No space left on device; free") as caught:
        save_png(path, flat([0.0, 0.0, 0.0]))
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.read_bytes() == b"earlier"
