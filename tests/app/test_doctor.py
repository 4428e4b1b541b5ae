import importlib.util
import json

import pytest

from app import doctor
from app.__main__ import main


def test_the_doctor_tells_all_and_passes(capsys, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name, kind in (("a--good", "StableDiffusionPipeline"), ("b--strange", "AudioPipeline")):
        folder = tmp_path / f"models--{name}" / "snapshots" / "1"
        folder.mkdir(parents=True)
        (folder / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for part in (
        "hardware:",
        "CPU cores",
        "backends:",
        "there   numba",
        "missing tiny-cuda-nn",
        "recommended teacher:",
    ):
        assert part in out
    assert "a/good: Stable Diffusion 1 and 2" in out
    assert "b/strange: not supported" in out
    assert "passed: an asset from words to mesh in" in out


@pytest.mark.parametrize("error", [RuntimeError("broken\nbadly"), MemoryError()])
def test_what_fails_is_a_line_and_an_exit_code(capsys, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("distill.engine.optimize", fail)
    assert main(["doctor"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "failed:" in line]
    assert type(error).__name__ in line


def test_the_recommendation_follows_the_memory():
    names = [doctor.recommended(gib).split(":")[0] for gib in (80, 24, 10, 6, 2)]
    assert names == [name for _, name, _ in doctor.RECOMMENDED]


def test_every_missing_backend_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    lines = doctor.backends()
    assert len(lines) == len(doctor.BACKENDS)
    assert all(line.startswith("missing ") and line.endswith(")") for line in lines)
