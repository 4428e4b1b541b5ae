"""`scorelift evaluate TEACHER`, on a small network and a small bank."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app import runs
from app.__main__ import main
from app.runs import Job
from distill.catalog import pictures
from distill.catalog.captions import VOCABULARY as CATALOG
from distill.catalog.captions import vocabulary_data
from distill.denoising_error import LEVELS, denoising_error, held_out_bank
from distill.recipes.quadratic import Quadratic
from guidance.networks.unet import UNetSize
from guidance.teachers.embedded import VOCABULARY, Card, build_network, load_teacher, save_teacher
from guidance.vocabulary import load_vocabulary
from samplers.schedule import RectifiedFlow
from tests.app import mistakes

SIZE = UNetSize(side=16, levels=(16, 16, 16), width=32, text=8, middle=0)
CARD = Card(RectifiedFlow(), "flow", SIZE, "slots", pictures.LAW, 0.5, ("sample",), {})


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run that trained a teacher, in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pictures, "SHARD", 120)
    folder = runs.claim(Job(Quadratic(), None), "run", "unused")
    torch.manual_seed(0)
    network = build_network(SIZE, "slots", CARD.form, CATALOG)
    save_teacher(folder / "teacher", CARD, network, json.dumps(vocabulary_data()))
    return folder


def mistake(capsys, *arguments: str) -> str:
    return mistakes.mistake(capsys, "evaluate", *arguments)


def test_the_figures_are_those_of_the_library(run, capsys):
    assert main(["evaluate", "run/teacher", "--count", "20", "--seed", "3", "--json", "new/figures.json"]) == 0
    out = capsys.readouterr().out
    teacher = load_teacher(run / "teacher", torch.device("cpu"))
    found = denoising_error(teacher, held_out_bank(16), count=20, seed=3)
    data = json.loads(Path("new/figures.json").read_text())
    assert [row["lam"] for row in data["levels"]] == list(LEVELS)
    for name, values in (("error", found.told), ("error_turned", found.turned), ("error_untold", found.untold)):
        assert [row[name] for row in data["levels"]] == values.mean(1).tolist()
    assert [row["camera"] for row in data["levels"]] == found.camera.tolist()
    assert data["overall"] == found.overall()
    assert (data["pictures"], data["seed"], data["side"]) == (20, 3, 16)
    assert f"error: {found.overall()['error']:.4g}" in out
    assert len(out.splitlines()) == 1 + len(LEVELS) + 3 + 1


def test_a_run_means_the_teacher_it_trained(run, capsys):
    printed = []
    for name in ("run", "run/teacher"):
        assert main(["evaluate", name, "--count", "4"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_the_oracle_can_be_measured(run, capsys):
    assert main(["evaluate", "oracle-16", "--count", "8"]) == 0
    assert float(capsys.readouterr().out.split("camera: ")[1].split()[0]) > 1.5


def test_mistakes_are_one_line(run, capsys):
    (run / "teacher").rename("elsewhere")
    assert "run is a run without a teacher; one that trains has it when it is finished" in mistake(capsys, "run")
    assert "no teacher 'nowhere'; give embedded, oracle or a folder" in mistake(capsys, "nowhere")
    assert "count must be 1 to" in mistake(capsys, "elsewhere", "--count", "0")
    assert "count must be 1 to" in mistake(capsys, "elsewhere", "--count", "5000")
    Path("mine.json").write_text("mine")
    assert "mine.json is there already; choose another --json" in mistake(capsys, "elsewhere", "--json", "mine.json")
    assert Path("mine.json").read_text() == "mine"


def test_a_teacher_that_takes_no_camera_is_one_line(run, capsys):
    card = replace(CARD, text="words", cameras=None)
    save_teacher(Path("words"), card, build_network(SIZE, "words", card.form), None)
    assert "this teacher takes no camera" in mistake(capsys, "words")


def test_a_teacher_of_another_catalog_is_one_line(run, capsys):
    path = run / "teacher" / VOCABULARY
    words = json.loads(path.read_text())
    for name in list(words["objects"])[2:]:
        del words["objects"][name]
    torch.manual_seed(0)
    few = Path("few")
    few.mkdir()
    (few / VOCABULARY).write_text(json.dumps(words))
    network = build_network(SIZE, "slots", CARD.form, load_vocabulary(few / VOCABULARY))
    save_teacher(few, CARD, network, json.dumps(words))
    err = mistake(capsys, "few", "--count", "8")
    assert "the teacher does not know all that the catalog shows: unknown word" in err
