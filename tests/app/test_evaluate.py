"""`scorelift evaluate` over prompts, with the oracle teacher and the hidden quality."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from app import asset_maker, provenance
from app.__main__ import main
from app.asset_maker import Maker
from app.evaluation import Evaluation
from app.locks import alone
from distill.catalog.truth import truth
from distill.engine import RunFailed
from distill.evaluation import AssetScore
from distill.metrics import iou
from distill.recipes.lift3d import Lift3D
from guidance.vocabulary import load_vocabulary
from nerf.mesh_load import load
from nerf.pictures import load_png

ROOT = Path(__file__).parent.parent.parent
PROMPTS = "# two of them\n\na red mushroom\n  a blue cube on  a table # a pair\n"
KEYS = ["prompt", "seed", "iou", "chamfer_l1", "fscore", "color", "psnr", "seconds", "peak_mb"]


def evaluate(*more: str) -> int:
    return main(["evaluate", "--prompts", "prompts.txt", "--json", "scores.json", "--quality", "test", *more])


def mistake(capsys, *more: str) -> str:
    capsys.readouterr()
    assert evaluate(*more) == 2
    err = capsys.readouterr().err
    assert err.startswith("scorelift: ")
    assert err.count("\n") == 1
    return err


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def scores(folder: Path) -> dict:
    return json.loads((folder / "scores.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A finished evaluation."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "prompts.txt").write_text(PROMPTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert evaluate("--sheet", "sheet.png") == 0
    return folder


@pytest.fixture
def here(whole, tmp_path, monkeypatch) -> Path:
    """A copy of it to work in."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    (tmp_path / "prompts.txt").write_text(PROMPTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(monkeypatch) -> list[tuple[str, int]]:
    """Prompts and seeds that are begun."""
    attempt, begun = Maker.attempt, []

    def noted(self: Maker, recipe: Lift3D):
        begun.append((recipe.prompt, recipe.seed))
        return attempt(self, recipe)

    monkeypatch.setattr(Maker, "attempt", noted)
    return begun


@pytest.fixture
def quick(monkeypatch) -> None:
    """Assets are made, and all get the same score."""
    monkeypatch.setattr(asset_maker, "score_asset", lambda mesh, caption: AssetScore(0.5, 0.1, 0.4, 0.1, 20.0))


# What it writes


def test_rows_hold_the_scores_of_the_meshes_that_lie_there(whole):
    data = scores(whole)
    assert [(r["prompt"], r["seed"]) for r in data["results"]] == [("a red mushroom", 0), ("a blue cube on a table", 0)]
    for row in data["results"]:
        assert list(row)[: len(KEYS)] == KEYS
        assert row["error"] is None
        mesh = load(whole / "scores-meshes" / row["mesh"])
        caption = load_vocabulary().parse(row["prompt"])
        assert row["iou"] == iou(mesh.vertices, mesh.faces, truth(caption).inside, 128) > 0
        assert row["faces"] == len(mesh.faces)
        assert 0 < row["seconds"] < 300
        assert 100 < row["peak_mb"] < 8000
    assert data["complete"]
    assert (data["prompts"], data["assets"], data["failed"]) == (2, 2, 0)
    assert (data["quality"], data["teacher"], data["guidance"]) == ("test", "oracle-16", 1.0)
    assert data["versions"]["torch"] == torch.__version__
    mean = data["means"]["iou"]
    assert mean["mean"] == pytest.approx(sum(r["iou"] for r in data["results"]) / 2)
    assert mean["low"] < mean["mean"] < mean["high"]
    assert set(data["means"]) == {"iou", "chamfer_l1", "fscore", "color", "psnr"}


def test_the_sheet_shows_every_asset(whole):
    height, width = load_png(whole / "sheet.png").shape[1:]
    assert width > 8 * 160
    assert height > 2 * 160


def test_every_prompt_is_made_with_every_seed(fresh, made, quick, capsys):
    (fresh / "prompts.txt").write_text("a red mushroom")
    assert evaluate("--seeds", "2") == 0
    assert made == [("a red mushroom", 0), ("a red mushroom", 1)]
    first, second = scores(fresh)["results"]
    assert first["mesh_digest"] != second["mesh_digest"]
    assert "over 1 prompts" in capsys.readouterr().out
    assert scores(fresh)["means"]["iou"]["low"] is None


# Going on


def test_a_finished_evaluation_makes_nothing_again(here, made, capsys):
    before = contents(here)
    assert evaluate("--sheet", "sheet.png") == 0
    assert made == []
    assert contents(here) == before
    assert "2/2 a blue cube on a table: IoU" in capsys.readouterr().out


def rows_noted(folder: Path) -> int:
    return len(scores(folder)["results"]) if (folder / "scores.json").exists() else 0


def test_a_killed_evaluation_goes_on_where_it_stopped(fresh, whole, made):
    """SIGKILL in the middle of the second asset."""
    command = [sys.executable, "-m", "app", "evaluate", "--prompts", "prompts.txt", "--json", "scores.json"]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*command, "--quality", "test"], env=surroundings, stdout=subprocess.DEVNULL) as child:
        while rows_noted(fresh) < 1:
            assert child.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
        child.kill()
    part = scores(fresh)
    assert not part["complete"]
    assert len(part["results"]) == 1
    assert evaluate() == 0
    assert made == [("a blue cube on a table", 0)]
    data = scores(fresh)
    assert data["complete"]
    assert data["results"][0] == part["results"][0]
    costs = dict.fromkeys(("seconds", "peak_mb"))
    assert [r | costs for r in data["results"]] == [r | costs for r in scores(whole)["results"]]


def test_ctrl_c_stops_after_the_step_and_the_same_command_goes_on(fresh, quick, capsys, monkeypatch):
    optimize = asset_maker.optimize

    def interrupted(run, **options) -> Iterator:
        for number, event in enumerate(optimize(run, **options)):
            if number == 5 and "cube" in run.recipe.prompt:
                signal.raise_signal(signal.SIGINT)
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(asset_maker, "optimize", interrupted)
        assert evaluate() == 130
    assert "stopped after 1 of 2; the same command goes on\n" in capsys.readouterr().err
    assert len(scores(fresh)["results"]) == 1
    assert evaluate() == 0


def test_more_prompts_and_seeds_join_what_is_there(here, made):
    (here / "prompts.txt").write_text("a green cone\n" + PROMPTS)
    assert evaluate() == 0
    assert made == [("a green cone", 0)]
    assert [r["prompt"] for r in scores(here)["results"]] == [
        "a green cone",
        "a red mushroom",
        "a blue cube on a table",
    ]


def test_a_mesh_that_was_changed_is_made_again(here, made):
    row = scores(here)["results"][1]
    path = here / "scores-meshes" / row["mesh"]
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    assert evaluate() == 0
    assert made == [("a blue cube on a table", 0)]
    assert path.read_bytes() == good


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--quality", "draft"], "another quality (test, not draft)"),
        (["--guidance", "3"], "another guidance (1.0, not 3.0)"),
        (["--teacher", "oracle-24"], "another teacher (oracle-16, not oracle-24)"),
    ],
)
def test_rows_of_other_settings_are_never_reused_nor_lost(here, made, capsys, more, says):
    before = contents(here)
    err = mistake(capsys, *more)
    assert f"scores.json holds scores made with {says}; choose another --json, or delete it" in err
    assert made == []
    assert contents(here) == before


def test_rows_of_other_code_are_never_reused(here, made, capsys, monkeypatch):
    monkeypatch.setattr("app.evaluation.code_digest", lambda: "another")
    assert "made with another code" in mistake(capsys)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    data = scores(here)
    data["settings"]["recipe"]["steps"] = 21
    (here / "scores.json").write_text(json.dumps(data))
    assert "made with another recipe;" in mistake(capsys)


def test_rows_that_are_not_asked_for_are_not_lost(here, capsys):
    before = contents(here / "scores-meshes")
    (here / "prompts.txt").write_text("a red mushroom")
    err = mistake(capsys)
    assert "holds 1 scores that this command does not ask for, such as 'a blue cube on a table' with seed 0" in err
    assert contents(here / "scores-meshes") == before
    assert len(scores(here)["results"]) == 2


def test_two_processes_do_not_share_an_evaluation(here, capsys):
    with alone(here / "scores-meshes" / "lock"):
        assert "another process is at work in scores-meshes" in mistake(capsys)


# What goes wrong


def test_a_failing_prompt_never_stops_the_rest(fresh, made, quick, capsys, monkeypatch):
    (fresh / "prompts.txt").write_text("a red mushroom\na green cone\na blue cube\na gold torus")
    build = Lift3D.build

    def failing(self: Lift3D, *rest):
        if "mushroom" in self.prompt:
            raise ZeroDivisionError("a defect\nof two lines")
        if "cone" in self.prompt:
            raise MemoryError
        run = build(self, *rest)
        if "cube" in self.prompt:
            run.export = give_up  # pyright: ignore
        return run

    def give_up(folder):
        raise RunFailed("no mesh: the field is empty")

    with monkeypatch.context() as patch:
        patch.setattr(Lift3D, "build", failing)
        assert evaluate("--sheet", "sheet.png") == 0
    assert [prompt for prompt, _ in made] == ["a red mushroom", "a green cone", "a blue cube", "a gold torus"]
    out = capsys.readouterr().out
    assert "3/4 a blue cube: failed: no mesh: the field is empty" in out
    assert "failed: 3 of 4, counted as 0 in iou and fscore" in out
    data = scores(fresh)
    defect, memory, empty, good = data["results"]
    assert defect["error"].startswith("ZeroDivisionError: a defect of two lines (traceback in a-red-mushroom-")
    assert memory["error"].startswith("out of memory")
    assert empty["error"] == "no mesh: the field is empty"
    for row in (defect, memory, empty):
        assert (row["iou"], row["fscore"], row["chamfer_l1"], row["psnr"], row["mesh"]) == (0, 0, None, None, "")
    (log,) = (fresh / "scores-meshes").glob("a-red-mushroom-*.log")
    assert "ZeroDivisionError" in log.read_text()
    assert data["failed"] == 3
    assert data["means"]["iou"]["mean"] == pytest.approx(good["iou"] / 4)
    assert data["means"]["psnr"] == {"mean": good["psnr"], "low": None, "high": None, "count": 1}
    made.clear()
    assert evaluate() == 0
    assert [prompt for prompt, _ in made] == ["a red mushroom", "a green cone", "a blue cube"]
    assert scores(fresh)["failed"] == 0
    assert not log.exists()


def test_a_full_disk_is_one_line_and_keeps_the_rows(here, made, quick, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (here / "prompts.txt").write_text("a red mushroom\na green cone")
    (here / "scores.json").write_text(json.dumps(scores(here) | {"results": scores(here)["results"][:1]}))
    with monkeypatch.context() as patch:
        patch.setattr(asset_maker, "write_atomically", full)
        assert "disk full; free space, then run the same command again" in mistake(capsys)
    assert [row["prompt"] for row in scores(here)["results"]] == ["a red mushroom"]
    made.clear()
    assert evaluate() == 0
    assert made == [("a green cone", 0)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": {}, "results": [{}]}', '{"rows": 1}'])
def test_a_file_that_is_no_scores_is_left_alone(fresh, capsys, content):
    (fresh / "scores.json").write_text(content)
    assert "scores.json is no file of scores, or damaged" in mistake(capsys)
    assert (fresh / "scores.json").read_text() == content


def test_a_folder_of_other_meshes_is_left_alone(fresh, made, capsys):
    (fresh / "mine").mkdir()
    (fresh / "mine" / "a.glb").write_text("mine")
    assert "mine holds files already and scores.json does not say what they are" in mistake(capsys, "--meshes", "mine")
    assert [p.name for p in (fresh / "mine").iterdir()] == ["a.glb"]


LINES = [
    ("a red cube\n\n# x\na red dragonfruit\na blue cube", "prompts.txt line 4: unknown word 'dragonfruit'"),
    ("a red cube\na cube on a cone", "prompts.txt line 2: nothing can stand on a cone"),
    ("a red cube\na  red cube", "prompts.txt line 2 repeats line 1: 'a red cube'; drop one"),
    ("# nothing\n\n", "prompts.txt holds no prompt; write one a line"),
    (b"\xff\xfe\x00", "prompts.txt is no UTF-8 text; save it as UTF-8"),
]


@pytest.mark.parametrize(("text", "says"), LINES)
def test_every_line_is_understood_before_any_work(fresh, made, capsys, text, says):
    (fresh / "prompts.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert says in mistake(capsys)
    assert [p.name for p in fresh.iterdir()] == ["prompts.txt"]
    assert made == []


FLAGS = [
    (["evaluate"], "give either a TEACHER, or --prompts FILE"),
    (["evaluate", "embedded", "--prompts", "prompts.txt"], "give either a TEACHER, or --prompts FILE"),
    (["evaluate", "--prompts", "prompts.txt"], "name the file for the scores: --json FILE"),
    (["evaluate", "--prompts", "none.txt", "--json", "x"], "cannot read the prompts: none.txt: No such file"),
    (["evaluate", "--prompts", "prompts.txt", "--json", "x", "--seeds", "0"], "seeds must be at least 1, got 0"),
    (["evaluate", "--prompts", "prompts.txt", "--json", "x", "--quality", "best"], "unknown quality 'best'"),
    (["evaluate", "--prompts", "prompts.txt", "--json", "x", "--teacher", "nobody"], "scorelift: no teacher 'nobody'"),
    (
        ["evaluate", "--prompts", "prompts.txt", "--json", "x", "--guidance", "nan"],
        "guidance must be a number, got nan",
    ),
    (["evaluate", "--prompts", "prompts.txt", "--json", "x", "--count", "9"], "--count says nothing about --prompts"),
    (["evaluate", "--prompts", "prompts.txt", "--json", "prompts.txt/x", "--quality", "test"], "Not a directory"),
    (["evaluate", "embedded", "--sheet", "x.png"], "--sheet says nothing about a TEACHER; leave it out"),
]


@pytest.mark.parametrize(("arguments", "says"), FLAGS)
def test_a_mistake_is_one_line_and_touches_nothing(fresh, capsys, arguments, says):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert [p.name for p in fresh.iterdir()] == ["prompts.txt"]


def test_an_evaluation_makes_what_generate_would():
    evaluation = Evaluation(("a red cube",), 2, "standard", "embedded")
    assert evaluation.plan() == [("a red cube", 0), ("a red cube", 1)]
    recipe = evaluation.recipe("a red cube", 1)
    assert (recipe.prompt, recipe.seed, recipe.guidance, recipe.turntable) == ("a red cube", 1, Lift3D("a").guidance, 0)
    assert Evaluation(("a cube",), teacher="oracle").recipe("a cube", 0).guidance == 1
    assert Evaluation(("a cube",), teacher="oracle", guidance=2).recipe("a cube", 0).guidance == 2
    assert evaluation.settings()["code"] == provenance.code_digest()
    with pytest.raises(ValueError, match="at least one prompt"):
        Evaluation(())
