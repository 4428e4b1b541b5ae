import json
from pathlib import Path

import pytest
import torch

from app.__main__ import main
from app.runs import Job
from nerf.pictures import save_png


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        save_png(tmp_path / "gray" / f"{number}.png", torch.full((3, 20, 30), number / 4))
        (tmp_path / "gray" / f"{number}.txt").write_text(f"a gray {number}")
    return tmp_path / "gray"


SMALL = ["--steps", "4", "--batch", "2", "--side", "16", "--levels", "16", "16", "16"]


def test_training_ends_with_a_teacher_that_generate_takes(pictures, capsys):
    assert main(["train", "--data", "gray", *SMALL, "--seed", "5"]) == 0
    folder = pictures.parent / "runs" / "teacher-gray-5"
    assert "teacher: runs/teacher-gray-5/teacher" in capsys.readouterr().out
    assert (folder / "teacher" / "teacher.json").exists()
    assert json.loads((folder / "run.json").read_text())["steps"] == 4
    assert Path(Job.read(folder).recipe.data) == pictures  # in full: a run resumes from anywhere
