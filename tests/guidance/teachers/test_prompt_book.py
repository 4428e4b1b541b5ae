import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.teachers.loading import Loading, cache_folder
from guidance.teachers.prompt_book import PromptBook
from guidance.teachers.rows import Rows
from nerf.cameras import orbit

CPU = torch.device("cpu")


class Encoders:
    """Counts how often it was opened and what it was asked."""

    def __init__(self) -> None:
        self.opened = 0
        self.asked: list[str] = []

    def open(self) -> "Encoders":
        self.opened += 1
        return self

    def encode(self, _: Any, prompts: list[str]) -> Mapping[str, Tensor]:
        self.asked += prompts
        return {"text": torch.tensor([[float(len(p)), float(sum(map(ord, p)))] for p in prompts])}

    def book(self, folder: Path | None = None, key: str = "") -> PromptBook:
        return PromptBook(self.open, self.encode, device=CPU, key=key, folder=folder)


def test_each_prompt_is_embedded_once_and_in_order():
    encoders = Encoders()
    book = encoders.book()
    found = book.embed(["ab", "c", "ab"]).tensors["text"]
    assert found[:, 0].tolist() == [2, 1, 2]
    book.embed(["c", "dd"])
    assert encoders.asked == ["ab", "c", "dd"]
    assert encoders.opened == 1


def test_freed_encoders_come_back_only_for_what_is_new():
    encoders = Encoders()
    book = encoders.book()
    book.embed(["a"])
    book.close()
    assert not book.open
    book.embed(["a"])
    assert (encoders.opened, book.open) == (1, False)
    book.embed(["b"])
    assert (encoders.opened, book.open) == (2, True)


def test_rows_are_kept_on_disk_by_model_and_prompt(tmp_path):
    first, second = Encoders(), Encoders()
    expected = first.book(tmp_path, "one").embed(["a red cube", ""]).tensors["text"]
    assert torch.equal(second.book(tmp_path, "one").embed(["a red cube", ""]).tensors["text"], expected)
    assert second.opened == 0
    second.book(tmp_path, "two").embed(["a red cube"])
    assert second.asked == ["a red cube"]
    assert len(list(tmp_path.iterdir())) == 3  # whole files only


def test_key_and_prompt_do_not_run_into_each_other(tmp_path):
    encoders = Encoders()
    encoders.book(tmp_path, "one").embed(["x"])
    encoders.book(tmp_path, "on").embed(["ex"])
    assert encoders.asked == ["x", "ex"]


def test_a_damaged_file_is_embedded_anew(tmp_path):
    encoders = Encoders()
    expected = encoders.book(tmp_path).embed(["a"]).tensors["text"]
    (path,) = tmp_path.iterdir()
    for damage in (b"", path.read_bytes()[:20]):
        path.write_bytes(damage)
        assert torch.equal(encoders.book(tmp_path).embed(["a"]).tensors["text"], expected)
    assert encoders.asked == ["a"] * 3


def test_a_cache_that_cannot_be_written_is_no_cache(tmp_path):
    (tmp_path / "file").write_text("mine")
    encoders = Encoders()
    assert len(encoders.book(tmp_path / "file" / "cache").embed(["a"])) == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SCORELIFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SCORELIFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "scorelift"
    assert "SCORELIFT_CACHE" not in os.environ


def test_rows_are_selected_joined_and_bound():
    rows = Rows({"text": torch.arange(6.0).view(3, 2), "label": torch.tensor([7, 8, 9])})
    picked = rows[torch.tensor([2, 0, 2])]
    assert picked.tensors["label"].tolist() == [9, 7, 9]
    joined = picked.cat(rows)
    assert (len(joined), joined.tensors["text"].shape) == (6, (6, 2))
    views = orbit(4, elevation=0.1, distance=3.0, fov=0.7)
    assert rows[torch.tensor([1])].at(views).tensors["label"].tolist() == [8] * 4
    with pytest.raises(ValueError, match="3 prompts for 4 views"):
        rows.at(views)

    def bind(rows: Rows, views: Any) -> Mapping[str, Tensor]:
        return {"camera": views.azimuth + rows.tensors["label"]}

    bound = Rows({"label": torch.tensor([10])}, bind).at(views)
    torch.testing.assert_close(bound.tensors["camera"], views.azimuth + 10)
    again = bound.at(orbit(4, elevation=0.1, distance=3.0, fov=0.7)[torch.tensor([1, 2, 3, 0])])
    torch.testing.assert_close(again.tensors["camera"], views.azimuth.roll(-1) + 10)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"teacher_pixels": -1}, "teacher_pixels"),
        ({"embedded_guidance": -2.0}, "embedded"),
        ({"elevation_deg": 99.0}, "90"),
    ],
)
def test_settings_that_cannot_be_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        Loading(**wrong)
