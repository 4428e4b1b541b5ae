"""From the command line to a GLB with a diffusion checkpoint of every family, from its folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app import checkpoints, estimate, presets, runs
from app.__main__ import main
from app.backoff import lighter
from app.evaluation import Evaluation
from app.hardware import Memory
from app.stopping import Stop
from app.teachers import check, find
from distill.events import Finished, Stepped, Warned, from_line
from distill.recipes.lift3d import Lift3D, Lift3DRun
from distill.recipes.quadratic import Quadratic
from guidance.teachers.families import recognize
from guidance.teachers.loading import USUAL, Loading
from nerf.mesh_load import load
from tests.app.mistakes import mistake
from tests.checkpoints import checkpoint
from tests.guidance.teachers.opened import FAMILIES, copied, prompt

SMALL = {"ray_step": 0.1, "mesh_resolution": 16, "faces": 100, "texture": 32, "turntable": 0}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCORELIFT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", FAMILIES)
def test_generate_ends_in_a_mesh(here, capsys, monkeypatch, name):
    recipe = presets.asked_for
    monkeypatch.setattr(presets, "asked_for", lambda *given, **options: replace(recipe(*given, **options), **SMALL))
    flags = ["--quality", "test", "--steps", "2", "--teacher-pixels", "32", "--out", "run"]
    assert main(["generate", prompt(name), "--teacher", str(checkpoint(name)), *flags]) == 0
    out = capsys.readouterr().out
    assert f"teacher: {recognize(checkpoint(name)).name}" in out
    for line in ("memory: about ", "time: about "):
        assert line in out
    assert len(load(Path("run") / "mesh.glb").faces) > 4
    record = json.loads((Path("run") / "run.json").read_text())
    assert (record["teacher"], record["steps"]) == (str(checkpoint(name)), 2)
    config = json.loads((Path("run") / "config.json").read_text())
    assert config["loading"]["teacher_pixels"] == 32
    assert runs.Job.read(Path("run")).loading == Loading(teacher_pixels=32)


def test_the_recipe_suits_the_family():
    usual = presets.find("standard")("a cube", 0)
    made = {
        name: presets.asked_for("a cube", 0, "standard", str(checkpoint(name)), loading=USUAL)
        for name in ("stable_diffusion", "deepfloyd", "mvdream", "flux", "ddpm")
    }
    scales = {name: recipe.guidance for name, recipe in made.items()}
    assert scales == {"stable_diffusion": 100.0, "deepfloyd": 20.0, "mvdream": 50.0, "flux": 1.0, "ddpm": 1.0}
    assert made["mvdream"].objective.rescale == 0.5
    assert presets.asked_for("a cube", 0, "test", str(checkpoint("mvdream"))).views == 4
    assert made["flux"].resolutions == tuple(2 * side for side in usual.resolutions)
    assert presets.asked_for("a cube", 0, "draft", str(checkpoint("flux")), guidance=3.0).guidance == 3.0


def test_folders_ids_and_names_are_told_apart(here, capsys):
    folder = checkpoint("ddpm")
    assert find(str(folder)) == (str(folder), None)
    assert check("someone/something", "whatever words") == "someone/something"
    assert checkpoints.folder_of("embedded", USUAL) is None
    (here / "runs").mkdir()
    assert "no teacher 'runs/gone'" in mistake(capsys, "generate", "a red cube", "--teacher", "runs/gone")
    told = mistake(capsys, "generate", "a red cube", "--teacher", "someone/something", "--offline")
    assert "someone/something is not in the cache, and looking for it is switched off" in told
    assert "no device 'cuda' here; found: cpu" in mistake(
        capsys, "generate", "a red cube", "--teacher", str(folder), "--device", "cuda"
    )
    strange = here / "strange"
    strange.mkdir()
    (strange / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    told = mistake(capsys, "generate", "a red cube", "--teacher", "strange")
    assert "is a KandinskyPipeline, which is not supported; supported: Stable Diffusion 1 and 2" in told
    assert not list((here / "runs").iterdir())


def test_a_class_that_is_none_is_one_line(here, capsys):
    told = mistake(capsys, "generate", "a red cube", "--teacher", str(checkpoint("dit")), "--quality", "test")
    assert "knows 1000 classes" in told
    assert not (here / "runs").exists() or not list((here / "runs").iterdir())


def test_teachers_lists_the_families(capsys):
    assert main(["teachers"]) == 0
    out = capsys.readouterr().out
    assert "StableDiffusion3Pipeline" in out
    assert "HUB_ID" in out


def test_an_evaluation_knows_the_weights_it_was_made_with(tmp_path):
    folder = copied("ddpm", tmp_path / "mine")

    def digest() -> str:
        return Evaluation(("a red cube",), quality="test", teacher=str(folder)).settings()["teacher_digest"]

    before = digest()
    assert digest() == before
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert digest() != before


# Memory and time


def test_the_estimate_follows_what_is_asked_for():
    folder = checkpoint("stable_diffusion")
    plain = presets.asked_for("a cube", 0, "test", str(folder))
    few, many = (estimate.estimate(replace(plain, views=v), folder, USUAL) for v in (2, 8))
    assert many.step > 3 * few.step
    assert many.weights == few.weights
    files = {part: folder.glob(f"{part}/*.safetensors") for part in ("unet", "vae", "text_encoder")}
    weights = {p: sum(4 * v.numel() for f in found for v in load_file(f).values()) for p, found in files.items()}
    assert few.weights == weights["unet"] + weights["vae"]
    assert few.words == weights["text_encoder"]
    half = estimate.estimate(plain, folder, Loading(dtype="float16"))
    assert half.weights == few.weights / 2
    assert estimate.estimate(plain, folder, Loading(offload=True)).weights < 0.6 * few.weights


def test_what_will_not_fit_is_said(monkeypatch):
    monkeypatch.setattr(estimate, "memory_of", lambda device: Memory(1000, 1000))
    folder = str(checkpoint("stable_diffusion"))
    told = estimate.lines(presets.asked_for("a cube", 0, "test", folder), folder, USUAL)
    assert "that is more memory than is free" in told[-1]
    assert "\n" not in "".join(told)
    assert estimate.lines(presets.find("test")("a cube", 0), "embedded", USUAL) == []


def test_what_is_given_up_and_in_which_order():
    recipe: Lift3D | None = presets.find("standard")("a cube", 0)
    told = []
    while recipe is not None:
        less = lighter(recipe)
        recipe = less.recipe if less else None
        told += [less.told] if less else []
    assert told == [
        "2 views a step, not 4",
        "1 views a step, not 2",
        "samples 0.1 apart, not 0.05",
        "pictures of 16, 32 pixels, not 32, 64",
        "pictures of 16, 16 pixels, not 16, 32",
    ]
    assert lighter(Quadratic()) is None
    for views, fewer in ((16, 8), (8, 4), (12, 4)):
        found = lighter(Lift3D("a cube", views=views), together=4)
        assert found is not None
        assert found.recipe.views == fewer
    joint = lighter(Lift3D("a cube", views=4), together=4)
    assert joint is not None
    assert joint.recipe.views == 4


def test_out_of_memory_goes_on_with_less_and_says_so(here, monkeypatch):
    """From the sixth step on there is room for one view alone."""
    step = Lift3DRun.step

    def tight(self, index):
        if index >= 5 and self.recipe.views > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(self, index)

    monkeypatch.setattr(Lift3DRun, "step", tight)
    recipe = replace(presets.asked_for("a red cube", 0, "test", "oracle-16", steps=12), **SMALL)
    folder = runs.claim(runs.Job(recipe, "oracle-16"), str(here / "run"), "unused")
    events = list(runs.carry_out(folder, runs.Job.read(folder), Stop()))
    warned = [e for e in events if isinstance(e, Warned)]
    assert [e.remedy for e in warned] == ["went on with 1 views a step, not 2"]
    assert warned[0].applied
    steps = [e.step for e in events if isinstance(e, Stepped)]
    assert steps[-1] == 12
    assert isinstance(events[-1], Finished)
    assert runs.Job.read(folder).recipe.views == 1
    assert json.loads((folder / "run.json").read_text())["reduced_for_memory"] == [warned[0].remedy]
    logged = [from_line(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert warned[0] in logged
    assert [e.step for e in logged if isinstance(e, Stepped)] == list(range(1, 13))


def test_nothing_left_to_give_up_is_one_line(here, capsys, monkeypatch):
    def full(self, index):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Lift3DRun, "step", full)
    assert main(["generate", "a red cube", "--quality", "test", "--out", "run"]) == 2
    *gave_up, last = capsys.readouterr().err.splitlines()
    assert "scorelift: out of memory; close other programs" in last
    assert len(gave_up) == 2  # views, then samples
    assert runs.Job.read(here / "run").recipe.views == 1
