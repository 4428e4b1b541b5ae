import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import torch

from app import presets, runs
from app.__main__ import COMMANDS, main
from app.locks import alone
from app.runs import Job
from distill import checkpoint
from distill.catalog.captions import VOCABULARY
from distill.recipes.quadratic import Descent, Quadratic
from guidance.lexicon import WordData
from guidance.vocabulary import Vocabulary, load_vocabulary
from nerf.atomic import replacing
from tests.app.mistakes import mistake

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def toy(monkeypatch):
    """Generating runs the toy recipe: what is tested is the command, not the 3D."""
    monkeypatch.setattr(presets, "asked_for", lambda prompt, seed, *_, **__: Quadratic(seed=seed))


def finished(folder: Path, **settings) -> Path:
    """A run's folder of the toy recipe, complete unless `settings` make it give up."""
    runs.claim(Job(Quadratic(**settings), None), str(folder), "unused")
    main(["resume", str(folder)])
    return folder


MISTAKES = [
    ([], "name a command"),
    (["generat", "x"], "did you mean generate?"),
    (["dance"], "known: generate, resume"),
    (["generate"], "PROMPT"),
    (["generate", ""], "the prompt is empty"),
    (["generate", "  "], "the prompt is empty"),
    (["generate", "a red mushrom"], "mushroom"),
    (["generate", "a red"], "thing"),
    (["generate", "a red cube", "--steps", "-3"], "steps must be at least 1, got -3"),
    (["generate", "a red cube", "--steps", "many"], "--steps takes a whole number, got 'many'"),
    (["generate", "a", "red", "cube"], "did not expect: red, cube (put several words in quotes)"),
    (["generate", "a red cube", "--seed", "9" * 30], "seed must be a whole number of 64 bits, got 999"),
    (["generate", "a red cube", "--depth", "3"], "--depth"),
    (["generate", "a red cube", "--quality", "best"], "unknown quality 'best'; known: draft, standard, high"),
    (["generate", "a red cube", "--objective", "magic"], "'magic' is not among the objectives; known: csd, sds"),
    (["generate", "a red cube", "--teacher", "nobody"], "no teacher 'nobody'; give embedded, oracle or a folder"),
    (["generate", "a red cube", "--teacher", ""], "no teacher ''"),
    (["generate", "a red cube", "--teacher", "oracle-99999"], "looks at 1 to 512 pixels, got 'oracle-99999'"),
    (["generate", "a red cube", "--out", ""], "--out is empty"),
    (["generate", "a red cube", "--out", "file/run"], "Not a directory; name another one by --out"),
    (["generate", "a red cube", "--out", "file"], "file: File exists; name another one by --out"),
    (["generate", "a red cube", "--out", "full"], "full is not empty; choose another --out"),
    (["resume", "nothing"], "nothing is not a run"),
    (["resume", "full"], "full is not a run"),
    (["export", "nothing"], "nothing is not a run"),
    (["export", "nothing", "--format", "fbx"], "fbx"),
    (["train", "--data", "nowhere", "--out", "new"], "nowhere holds no pictures"),
    (["train", "--data", ""], "data is empty; name a folder"),
    (["train", "--batch", "0"], "scorelift: batch must be at least 1, got 0; see"),
    (["train", "--learning-rate", "fast"], "--learning-rate takes a number, got 'fast'"),
    (["train", "--data", "full", "--seed", "9" * 30], "seed must be a whole number of 64 bits, got 999"),
    (["train", "--process", "cubic"], "cubic"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_mistake_is_one_line_and_touches_nothing(here, capsys, arguments, says):
    (here / "file").write_text("mine")
    (here / "full").mkdir()
    (here / "full" / "photo").write_text("mine")
    assert says in mistake(capsys, *arguments)
    left = sorted(str(p.relative_to(here)) for p in here.rglob("*"))
    assert left == ["file", "full", "full/photo"]
    assert (here / "file").read_text() == (here / "full" / "photo").read_text() == "mine"


def test_a_folder_that_only_looks_like_a_teacher_is_one_line(here, capsys):
    teacher = here / "run" / "teacher"
    teacher.mkdir(parents=True)
    (teacher / "teacher.json").write_text("{}")
    assert f"did you mean {teacher}?" in mistake(capsys, "generate", "a red cube", "--teacher", "run")
    for content in (b"", b"{", b"{}", b"[1]", b"\xff\xfe\x00"):
        (teacher / "vocabulary.json").write_bytes(content)
        load_vocabulary.cache_clear()
        err = mistake(capsys, "generate", "a red cube", "--teacher", "run/teacher")
        assert f"{teacher / 'vocabulary.json'} is damaged" in err
    load_vocabulary.cache_clear()
    assert not (here / "runs").exists()


def test_the_light_commands_import_no_torch():
    code = (
        "import sys; from app.__main__ import main\n"
        "for words in ('--help', 'words', 'teachers', 'generate --help', 'generate', 'generate xyzzy', 'evaluate'):\n"
        "    main(words.split())\n"
        "print([m for m in ('torch', 'numba', 'gradio', 'diffusers') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_knows_every_command(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command} " in listed
        assert main([command, "--help"]) == 0
        assert f"scorelift {command}" in capsys.readouterr().out


def test_words_and_teachers(capsys):
    assert main(["words"]) == 0
    words = capsys.readouterr().out
    assert "mushroom" in words
    assert "teal" in words
    assert main(["teachers"]) == 0
    assert "embedded" in capsys.readouterr().out


def test_words_name_patterns_and_relations_where_the_teacher_knows_them(capsys, monkeypatch):
    monkeypatch.setattr("app.commands.load_vocabulary", lambda: VOCABULARY)
    assert main(["words"]) == 0
    words = capsys.readouterr().out
    assert "  striped (or stripy, " in words
    assert "relations between two things: on, next to\n" in words
    old = {
        "objects": VOCABULARY.objects,
        "colors": {n: {"rgb": c, "synonyms": []} for n, c in VOCABULARY.colors.items()},
    }
    monkeypatch.setattr("app.commands.load_vocabulary", lambda: Vocabulary(cast(WordData, old)))
    assert main(["words"]) == 0
    words = capsys.readouterr().out
    assert "relations between two things: on\n" in words
    assert "pattern" not in words
    assert "next to" not in words


def test_generate_finds_a_free_folder_and_writes_everything(here, toy, capsys):
    for name in ("a-red-cube-7", "a-red-cube-7-2"):
        assert main(["generate", "A red cube!", "--seed", "7", "--teacher", "oracle-16"]) == 0
        folder = here / "runs" / name
        assert f"run: runs/{name}" in capsys.readouterr().out
        present = {p.name for p in folder.iterdir()}
        assert {
            "config.json",
            "events.jsonl",
            "checkpoint.pt",
            "previews",
            "preview.png",
            "run.json",
            "x.txt",
        } <= present
    record = json.loads((folder / "run.json").read_text())
    assert (record["seed"], record["steps"], record["teacher"]) == (7, 20, "oracle-16")
    assert set(record["seconds"]) == {"start", "steps", "export"}
    assert record["results"]["distance"] > 0


def test_an_earlier_run_is_never_overwritten(here, toy, capsys):
    assert main(["generate", "a red cube", "--out", "mine", "--teacher", "oracle-16"]) == 0
    before = {p: p.read_bytes() for p in (here / "mine").rglob("*") if p.is_file()}
    capsys.readouterr()
    assert "already holds a run" in mistake(capsys, "generate", "a blue cube", "--out", "mine")
    assert main(["resume", "mine"]) == 0
    assert "is finished" in capsys.readouterr().out
    assert before == {p: p.read_bytes() for p in (here / "mine").rglob("*") if p.is_file()}


def test_resume_goes_on_where_a_run_broke_off(here, capsys):
    broken = finished(here / "broken", break_at=12)
    mend(broken)
    assert main(["resume", str(broken)]) == 0
    assert (broken / "x.txt").read_text() == (finished(here / "whole") / "x.txt").read_text()


def test_giving_up_is_one_line_and_exit_code_1(here, capsys):
    finished(here / "run", give_up_at=3)
    err = capsys.readouterr().err
    assert err == "scorelift: gave up: the loss is not finite; lower the learning rate\n"
    assert not (here / "run" / "run.json").exists()


def test_a_defect_is_one_line_with_its_traceback_in_a_file(here, capsys):
    folder = runs.claim(Job(Quadratic(break_at=3), None), str(here / "run"), "unused")
    assert main(["resume", str(folder)]) == 1
    err = capsys.readouterr().err
    assert err == f"scorelift: RuntimeError: a defect of two lines (traceback in {folder / 'error.log'})\n"
    assert "Traceback" in (folder / "error.log").read_text()


@pytest.mark.parametrize("file", ["checkpoint.pt", "config.json"])
@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2]], ids=["empty", "half"])
def test_damaged_files_are_one_line(here, capsys, file, damage):
    folder = finished(here / "run", break_at=12)
    capsys.readouterr()
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))
    kept = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert file in mistake(capsys, "resume", str(folder))
    assert kept == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_another_runs_checkpoint_is_one_line(here, capsys):
    one, other = finished(here / "one", break_at=12), finished(here / "other", size=6, break_at=12)
    capsys.readouterr()
    (one / "checkpoint.pt").write_bytes((other / "checkpoint.pt").read_bytes())
    assert "does not fit its recipe" in mistake(capsys, "resume", str(one))


@pytest.mark.parametrize(
    ("change", "says"), [(("seed", 9**30), "64 bits"), (("steps", 5), "stands at step 10, but config")]
)
def test_a_config_that_was_changed_too_far_is_one_line(here, capsys, change, says):
    folder = finished(here / "run", break_at=12)
    capsys.readouterr()
    data = json.loads((folder / "config.json").read_text())
    data["recipe"] |= dict([change])
    (folder / "config.json").write_text(json.dumps(data))
    err = mistake(capsys, "resume", str(folder))
    assert says in err
    assert err.endswith("mend it, or start a new run\n")


def test_a_checkpoint_of_strange_content_is_one_line(here, capsys):
    folder = finished(here / "run", break_at=12)
    at = checkpoint.load(folder / "checkpoint.pt")
    for change in ({"optimizer": 7}, {"optimizer": {}}, {"rng": torch.zeros(3)}, {"x": torch.zeros(5)}, {"x": None}):
        checkpoint.save(folder / "checkpoint.pt", checkpoint.Checkpoint(at.step, {**at.state, **change}))
        capsys.readouterr()
        assert "does not fit its recipe" in mistake(capsys, "resume", str(folder))


def test_a_teacher_that_moved_is_one_line(here, capsys):
    folder = runs.claim(Job(Quadratic(), str(here / "gone")), str(here / "run"), "unused")
    assert f"is not at {here / 'gone'}; put it back, or write its new place" in mistake(capsys, "resume", str(folder))


def test_two_processes_do_not_share_a_run(here, capsys):
    folder = finished(here / "run", break_at=12)
    mend(folder)
    kept = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    capsys.readouterr()
    with alone(folder / "config.json"):
        assert f"another process is at work in {folder}" in mistake(capsys, "resume", str(folder))
    assert kept == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert main(["resume", str(folder)]) == 0


def mend(folder: Path) -> None:
    """Take the defect out of the recipe, as an update of the program would."""
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"break_at": 12', '"break_at": -1'))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EFBIG, "File too large"), "disk full; free space, then: scorelift resume"),
        (
            OSError(errno.EROFS, "Read-only file system", "x.txt"),
            "x.txt: Read-only file system; make it writable, then",
        ),
        (MemoryError("Unable to allocate 9 TiB"), "out of memory; close other programs"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory; close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory; close other programs"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_the_machine_refuses_is_one_line(here, capsys, monkeypatch, error, says):
    def refuse(*_):
        raise error

    folder = runs.claim(Job(Quadratic(), None), str(here / "run"), "unused")
    monkeypatch.setattr(Descent, "export", refuse)
    assert says in mistake(capsys, "resume", str(folder))
    assert not (folder / "run.json").exists()
    assert not (folder / "error.log").exists()


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_disk_for_pictures(path, picture):
    with replacing(path):
        full_disk()


@pytest.mark.parametrize("victim", ["checkpoint", "preview", "export"])
def test_a_full_disk_is_one_line_and_keeps_the_checkpoint(here, capsys, monkeypatch, victim):
    folder = finished(here / "run", break_at=12)
    capsys.readouterr()
    before = checkpoint.load(folder / "checkpoint.pt")
    mend(folder)
    with monkeypatch.context() as patch:
        if victim == "checkpoint":
            patch.setattr(checkpoint, "write_synced", full_disk)
        elif victim == "preview":
            patch.setattr("distill.engine.save_png", full_disk_for_pictures)
        else:
            patch.setattr("distill.recipes.quadratic.Descent.export", full_disk)
        assert "disk full" in mistake(capsys, "resume", str(folder))
    assert checkpoint.load(folder / "checkpoint.pt").step >= before.step
    assert main(["resume", str(folder)]) == 0
    assert (folder / "x.txt").read_text() == (finished(here / "whole") / "x.txt").read_text()


def test_export_needs_a_mesh(here, capsys):
    folder = finished(here / "run")
    capsys.readouterr()
    assert "holds no mesh: it is a run of Quadratic" in mistake(capsys, "export", str(folder))
