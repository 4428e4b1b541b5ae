"""From a prompt to files on disk, with the oracle teacher and the hidden quality."""

import errno
import json
import os
import shutil
import signal
from itertools import count
from pathlib import Path

import pytest

from app import runs
from app.__main__ import main
from distill.events import Stepped
from nerf.mesh_load import load
from nerf.pictures import load_png


@pytest.fixture(scope="module")
def asset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generate") / "run"
    assert main(["generate", "a red mushroom", "--quality", "test", "--out", str(folder)]) == 0
    return folder


def test_the_folder_holds_the_asset_and_its_record(asset):
    mesh = load(asset / "mesh.glb")
    assert 50 < len(mesh.faces) <= 400
    assert abs(mesh.vertices).max() <= 1
    assert (asset / "turntable.mp4").stat().st_size > 500
    assert load_png(asset / "preview.png").shape[0] == 3
    record = json.loads((asset / "run.json").read_text())
    assert record["teacher"] == "oracle-16"
    assert record["results"]["faces"] == len(mesh.faces)


def test_a_stopped_run_resumes_to_the_same_mesh(asset, tmp_path, monkeypatch, capsys):
    carry_out = runs.carry_out

    def interrupted(*arguments):
        for event in carry_out(*arguments):
            if isinstance(event, Stepped) and event.step == 7:
                signal.raise_signal(signal.SIGINT)
            yield event

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(runs, "carry_out", interrupted)
        assert main(["generate", "a red mushroom", "--quality", "test", "--out", str(folder)]) == 130
    assert f"stopped at step 7 of 20; go on with: scorelift resume {folder}" in capsys.readouterr().err
    assert not (folder / "mesh.glb").exists()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "mesh.glb").read_bytes() == (asset / "mesh.glb").read_bytes()


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "stl"])
def test_export_writes_every_format_and_overwrites_none(asset, capsys, suffix):
    kept = {p: p.read_bytes() for p in asset.rglob("*") if p.is_file()}
    written = []
    for _ in range(2):
        capsys.readouterr()
        assert main(["export", str(asset), "--format", suffix, "--up", "z", "--scale", "2"]) == 0
        written += capsys.readouterr().out.split()
    assert len(set(written)) == len(written) == (6 if suffix == "obj" else 2)
    assert all(Path(p).stat().st_size > 0 for p in written)
    assert {p: p.read_bytes() for p in kept} == kept


def test_export_turns_scales_and_takes_another_size(asset, capsys):
    mesh = load(asset / "mesh.glb")
    capsys.readouterr()
    assert main(["export", str(asset), "--up", "z", "--scale", "2"]) == 0
    turned = load(Path(capsys.readouterr().out.strip()))
    assert turned.vertices[:, 2].max() == pytest.approx(2 * mesh.vertices[:, 1].max(), abs=1e-5)
    assert turned.vertices[:, 1].min() == pytest.approx(-2 * mesh.vertices[:, 2].max(), abs=1e-5)
    assert main(["export", str(asset), "--faces", "100", "--texture", "32"]) == 0
    small = load(Path(capsys.readouterr().out.strip()))
    assert len(small.faces) <= 100
    assert small.texture.shape == (32, 32, 3)


def test_export_refuses_impossible_settings_in_one_line(asset, capsys):
    for flag, *values in (
        ("--scale", "0", "-1", "nan", "1e300"),
        ("--faces", "0", "3"),
        ("--texture", "-1", "15", "99999"),
        ("--up", "x"),
        ("--format", "STL"),
    ):
        for value in values:
            assert main(["export", str(asset), flag, value]) == 2
            err = capsys.readouterr().err
            assert value.removeprefix("1e") in err  # shown as 1e+300
            assert err.count("\n") == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_breaks_off_leaves_no_part(asset, capsys, monkeypatch, error):
    before = sorted(asset.rglob("*"))
    replace, moments = os.replace, count()

    def third_fails(*paths):
        if next(moments) == 2:
            raise error
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", third_fails)
        assert main(["export", str(asset), "--format", "obj"]) == (2 if isinstance(error, OSError) else 130)
    assert next(moments) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert [p for p in sorted(asset.rglob("*")) if p.name != "exports"] == [p for p in before if p.name != "exports"]


def test_a_damaged_mesh_is_one_line_with_the_way_out(asset, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(asset, folder)
    for size in (0, 100, 5000):
        (folder / "mesh.glb").write_bytes((asset / "mesh.glb").read_bytes()[:size])
        assert main(["export", str(folder)]) == 2
        err = capsys.readouterr().err
        assert "--faces or --texture" in err
        assert err.count("\n") == 1
    assert main(["export", str(folder), "--texture", "32"]) == 0
