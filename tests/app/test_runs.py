import json

import pytest

from app.errors import UserError
from app.runs import Job, claim, slug
from distill.recipes.quadratic import Quadratic

JOB = Job(Quadratic(seed=3), "oracle")


def test_a_claimed_folder_says_everything_about_the_run(tmp_path):
    assert Job.read(claim(JOB, str(tmp_path / "a" / "b"), "unused")) == JOB


def test_names_are_numbered_and_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [claim(JOB, None, "x").name for _ in range(3)] == ["x", "x-2", "x-3"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A red cube!", "a-red-cube"),
        ("../../etc", "etc"),
        ("", "run"),
        ("ÄÖ", "run"),
        ("a" * 99, "a" * 48),
        ("a/b\\c", "a-b-c"),
    ],
)
def test_slugs_are_plain_names(text, name):
    assert slug(text) == name


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"teacher": "gone"},
        {"recipe": {}},
        {"recipe": {"is": "os.system"}},
        {"recipe": None},
        {"teacher": 7},
    ],
)
def test_a_config_that_says_something_else_is_refused(tmp_path, change):
    folder = claim(JOB, str(tmp_path / "run"), "unused")
    data = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps({k: v for k, v in data.items() if v != "gone"}))
    with pytest.raises(UserError, match=r"config\.json: .*; mend it, or start a new run$") as caught:
        Job.read(folder)
    assert "\n" not in str(caught.value)
