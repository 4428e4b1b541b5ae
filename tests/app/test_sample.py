import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import torch

import samplers
from app import sampling
from app.__main__ import main
from app.errors import UserError
from app.sample import GRIDS, refuse_misfits
from app.sampler_list import lines, paper
from app.settings import choices, with_settings
from app.statistics import digest, statistics_of
from app.teachers import card_of
from distill.catalog.oracle import OracleTeacher
from guidance.teacher import CameraLaw
from nerf.pictures import load_png
from samplers.grids import nodes
from samplers.schedule import EDM, RectifiedFlow, VPCosine, VPLinear
from samplers.statistics import DenoisingStatistics
from tests.app.mistakes import mistake

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


SAMPLE = ["sample", "a red cube", "--teacher", "oracle-16"]
MISTAKES = [
    (["sample"], "PROMPT"),
    (["sample", " "], "the prompt is empty"),
    (["sample", "a red mushrom"], "mushroom"),
    (["sample", "a red cube", "--teacher", "nobody"], "no teacher 'nobody'"),
    ([*SAMPLE, "--sampler", "euler"], "unknown sampler 'euler'; known: analytic_dpm, consistency, ddim"),
    ([*SAMPLE, "--grid", "even"], "unknown grid 'even'; known: uniform, quadratic, lambda, karras, leading, trailing"),
    ([*SAMPLE, "--steps", "0"], "steps must be at least 1, got 0"),
    ([*SAMPLE, "--count", "0"], "count must be at least 1, got 0"),
    ([*SAMPLE, "--guidance", "nan"], "guidance must be a finite number"),
    ([*SAMPLE, "--seed", "9" * 30], "seed must be a whole number of 64 bits"),
    ([*SAMPLE, "--elevation", "80"], "elevations from -15 to 50 degrees, got 80"),
    ([*SAMPLE, "--grid", "trailing", "--steps", "1001"], "choose between 1 and 1000"),
    ([*SAMPLE, "--set", "eta"], "--set takes NAME=VALUE, got 'eta'"),
    ([*SAMPLE, "--sampler", "ddim", "--set", "order=2"], "ddim has no setting 'order'; it has eta"),
    ([*SAMPLE, "--sampler", "ddim", "--set", "eta=much"], "ddim eta takes a number, got 'much'"),
    ([*SAMPLE, "--sampler", "ddim", "--set", "eta=2"], "between 0 (deterministic) and 1 (ancestral), got 2.0"),
    ([*SAMPLE, "--sampler", "heun", "--set", "a=1"], "heun has no setting 'a'; it has none"),
    ([*SAMPLE, "--sampler", "consistency"], "is no consistency model"),
    ([*SAMPLE, "--sampler", "learned_variance"], "has no head that knows variances"),
    ([*SAMPLE, "--out", "full"], "full is not empty; choose another --out"),
    ([*SAMPLE, "--out", ""], "--out is empty"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_mistake_is_one_line_and_touches_nothing(here, capsys, arguments, says):
    (here / "full").mkdir()
    (here / "full" / "photo").write_text("mine")
    assert says in mistake(capsys, *arguments)
    assert sorted(str(p.relative_to(here)) for p in here.rglob("*")) == ["full", "full/photo"]


def test_mistakes_in_names_import_no_torch():
    words = ["sample --help", "sample", "sample x", "sample cube --sampler y", "sample cube --grid z"]
    words += ["sample cube --sampler consistency", "sample cube --steps 0"]
    code = (
        "import sys; from app.__main__ import main\n"
        f"for words in {words}:\n    main(words.split())\n"
        "print([m for m in ('torch', 'numba', 'gradio', 'diffusers') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_pictures_a_sheet_and_what_they_cost(here, capsys):
    words = [*SAMPLE, "--steps", "3", "--count", "5", "--guidance", "2", "--seed", "4"]
    assert main(words) == 0
    folder = here / "runs" / "samples-a-red-cube-4"
    assert "5 pictures, 6 network evaluations each" in capsys.readouterr().out
    assert sorted(p.name for p in folder.iterdir()) == [*(f"{i}.png" for i in range(5)), "pictures.png", "sample.json"]
    assert load_png(folder / "0.png").shape == (3, 16, 16)
    record = json.loads((folder / "sample.json").read_text())
    assert (record["sampler"], record["grid"], record["nfe"], record["count"]) == ("dpmpp", "lambda", 6, 5)
    assert record["azimuth_deg"] == pytest.approx([0, 72, 144, 216, 288])
    assert record["elevation_deg"] == pytest.approx([20] * 5)
    assert record["seconds"] >= 5 * record["seconds_per_picture"] * 0.99 > 0
    assert len(record["times"]) == 4
    assert main([*words, "--out", "again"]) == 0
    assert (here / "again" / "3.png").read_bytes() == (folder / "3.png").read_bytes()
    assert main([*words[:-1], "5", "--out", "other"]) == 0
    assert (here / "other" / "3.png").read_bytes() != (folder / "3.png").read_bytes()


def test_samples_show_the_prompt_from_the_camera(here):
    """The oracle's samples of a cube seen from the side: red where the cube is."""
    assert main([*SAMPLE, "--steps", "8", "--count", "2", "--azimuth", "90", "--elevation", "0", "--out", "o"]) == 0
    record = json.loads((here / "o" / "sample.json").read_text())
    assert record["azimuth_deg"] == pytest.approx([90, 90])
    red, green, _ = load_png(here / "o" / "0.png")[:, 6:10, 6:10].mean((1, 2)).tolist()
    assert red > green + 0.2


def test_statistics_are_measured_once_per_teacher(here, capsys):
    words = [*SAMPLE, "--sampler", "analytic_dpm", "--grid", "dynamic_programming", "--steps", "3", "--count", "1"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("measuring how well oracle-16 denoises, once") == 1
    (kept,) = (here / "runs" / "statistics").iterdir()
    assert kept.stem == digest("oracle-16") != digest("oracle-32") != digest("embedded")
    before = kept.read_bytes()
    assert main(words) == 0
    assert "measuring" not in capsys.readouterr().out
    kept.write_text("{")
    found = statistics_of("oracle-16", OracleTeacher(16), torch.device("cpu"))
    assert kept.read_bytes() == before
    # Errors of x0 fall toward the clean end, and eps is noise where all is noise.
    assert found.error_at(-6.0) > found.error_at(0.0) > found.error_at(3.0) > 0
    assert found.gamma_at(-6.0) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("schedule", [VPLinear(), VPCosine(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_every_grid_goes_from_noise_to_clean(name, schedule):
    for steps in (1, 2, 7, 1000):
        if steps == 1000 and name == "dynamic_programming":
            continue  # it takes at most as many as it has candidates
        grid = sampling.make_grid(name, schedule, steps, lambda: DenoisingStatistics.of_gaussian(0.25))
        path = nodes(schedule, grid)
        assert len(path) == steps + 1
        assert path[-1].t == 0
        assert math.isfinite(path[0].lam)
        assert path[0].t > 0.99 or (name == "leading" and steps > 1)


def test_cameras_stand_where_the_teacher_knows():
    law = CameraLaw((-1.0, 1.0), (0.5, 0.9), (2.0, 3.0), (0.6, 0.8))
    views = sampling.cameras(law, 3, None, None)
    assert views is not None
    assert views.azimuth.tolist() == pytest.approx([-0.5, 0, 0.5])
    assert views.elevation.tolist() == pytest.approx([0.5] * 3)
    assert (float(views.distance[0]), float(views.fov[0])) == pytest.approx((2.5, 0.7))
    assert sampling.cameras(None, 3, None, None) is None
    with pytest.raises(ValueError, match="azimuths from -57"):
        sampling.cameras(law, 1, 90.0, None)
    around = sampling.cameras(OracleTeacher.cameras, 1, 350.0, None)
    assert around is not None
    assert math.cos(float(around.azimuth[0])) == pytest.approx(math.cos(math.radians(10)), abs=1e-6)


@dataclass(frozen=True)
class Method:
    order: Literal[1, 2] = 1
    fast: bool = False
    name: str = "plain"
    limit: int | None = None
    inner: DenoisingStatistics | None = None


def test_settings_are_read_by_their_types():
    given = with_settings(Method(), "it", ["order=2", "fast=true", "name=x=y", "limit=7"])
    assert given == Method(2, True, "x=y", 7)
    assert with_settings(Method(limit=3), "it", ["limit=none"]).limit is None
    assert choices(Method) == {
        "order": "1, 2",
        "fast": "true or false",
        "name": "a word",
        "limit": "a whole number or none",
    }
    for word, says in (
        ("order=3", "it order takes 1, 2, got '3'"),
        ("fast=1", "takes true or false"),
        ("limit=x", "a whole number or none"),
        ("inner=1", "it has order, fast, name, limit"),
    ):
        with pytest.raises(UserError, match=says):
            with_settings(Method(), "it", [word])
    with pytest.raises(UserError, match="twice"):
        with_settings(Method(), "it", ["order=1", "order=2"])


def test_cards_decide_who_may_sample():
    consistency = {"sampler": "consistency", "valid_for": ["sample"]}
    refuse_misfits("consistency", "t", consistency)
    refuse_misfits("learned_variance", "t", {"variance": "residual"})
    refuse_misfits("ddim", "t", card_of("embedded"))
    for sampler, card, says in (
        ("ddim", consistency, "--sampler consistency"),
        ("ddim", {"valid_for": ["distill"]}, "not made for sampling"),
        ("consistency", {}, "no consistency model"),
        ("learned_variance", {"variance": None}, "no head"),
    ):
        with pytest.raises(UserError, match=says):
            refuse_misfits(sampler, "t", card)


def test_the_list_names_every_sampler_with_its_paper(capsys):
    assert main(["samplers"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [row.split()[0] for row in rows] == ["name", *samplers.names()]
    assert all("arXiv " in row for row in rows[1:])
    table = {row.split()[0]: row for row in rows}
    assert "Song, Meng and Ermon 2020, arXiv 2010.02502" in table["ddim"]
    assert table["heun"].split()[1:4] == ["2", "2", "never"]
    assert table["ddim"].split()[1:5] == ["1", "1", "by", "choice"]
    assert table["consistency"].split()[1:4] == ["exact", "1", "always"]
    assert "    --set eta=0.0 (a number)" in lines()
    assert paper(Method) == ""
