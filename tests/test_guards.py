"""Guards of the whole tree: walls between packages, switches of the suite, sizes, and figures that a bench measured."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from distill.checkpoint import require_keys
from nerf.cameras import orbit
from tests.bench.record import portable

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "distill", "guidance", "nerf", "samplers")
SOURCES = [p for name in (*PACKAGES, "tests") for p in sorted((ROOT / name).rglob("*.py"))]
LINTER = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True, no_logo=True))"


# Walls


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINTER], cwd=folder, capture_output=True, text=True)


def test_walls_stand():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


def test_every_wall_is_felt(tmp_path):
    """The wrong variant: a copy of the tree's imports with one hole in every wall."""
    holes = {
        "samplers.schedule": "import nerf.cameras",
        "nerf.cameras": "import samplers.schedule, gradio, imageio",
        "guidance.teacher": "import distill.catalog.objects, diffusers",
        "distill.engine": "import transformers, trimesh",
        "app": "import numba, xatlas",
    }
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for source in SOURCES:
        relative = source.relative_to(ROOT)
        copy = tmp_path / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text())
        module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        if module in holes:
            copy.write_text(copy.read_text() + "\n" + holes.pop(module) + "\n")
    assert not holes
    result = lint(tmp_path)
    kept = re.findall(r"^(.*) KEPT", result.stdout, re.MULTILINE)
    assert (result.returncode, kept) == (1, [])


def test_importing_the_libraries_stays_light():
    heavy = ("gradio", "nerfacc", "tinycudann", "triton", "numba", "diffusers", "transformers", "trimesh")
    code = f"import samplers, guidance, nerf, distill, sys; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# Switches of the suite


def test_types_are_checked():
    """The canary: were the import hook off, none of these wrong calls would raise."""
    for wrong in (
        lambda: orbit("four", elevation=0.0, distance=3.0, fov=0.7),
        lambda: require_keys({}, {"a"}, 3),
        lambda: require_keys([1], set(), "x"),
    ):
        with pytest.raises(TypeCheckError):
            wrong()


def test_one_torch_thread():
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("available", "outcome"), [(False, {"skipped": 1}), (True, {"passed": 1})])
def test_the_gpu_marker_skips_and_runs(pytester, monkeypatch, available, outcome):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    pytester.makeconftest("from tests.gpu import pytest_runtest_setup")
    pytester.makeini("[pytest]\nmarkers = gpu: needs a CUDA device")
    pytester.makepyfile("import pytest\n@pytest.mark.gpu\ndef test_a(): pass")
    pytester.runpytest_inprocess().assert_outcomes(**outcome)


def test_nothing_else_skips():
    """A test that skips for another reason is a test that nobody misses when it is gone."""
    allowed = (Path(__file__), ROOT / "tests" / "gpu.py")
    ways = re.compile(r"pytest\.skip|skipif|importorskip|mark\.skip|xfail")
    assert [p for p in SOURCES if p not in allowed and ways.search(p.read_text())] == []


def test_the_pages_and_the_integration_run_the_same_commands():
    pages = [ROOT / name for name in ("README.md", ".github/CONTRIBUTING.md", ".ci/run")]
    for page in pages:
        text = page.read_text() if page.exists() else None
        assert text is None or all(part in text for part in ("-m venv", 'pip install -e ".[test]"', "pytest"))


# Sizes and names


def test_files_are_small_done_and_named_for_what_they_hold():
    assert [p for p in SOURCES if len(p.read_text().splitlines()) > 400] == []
    assert [p for p in SOURCES if re.search("TO" + "DO|FIX" + "ME", p.read_text())] == []
    assert [p for p in SOURCES if p.stem in ("utils", "helpers", "common", "misc", "base")] == []


def test_assets_are_small():
    files = [p for p in (ROOT / "assets").rglob("*") if p.is_file()]
    assert max(p.stat().st_size for p in files) <= 15e6
    assert sum(p.stat().st_size for p in files) <= 40e6


# Figures

MARKED = re.compile(r"<!-- bench:(\S+) (\S+) -->\s*(-?[\d.,]*\d)")
FIGURE = re.compile(r"\d[\d.,]*\s?(?:ns|µs|ms|s|min|h|%|x|MB|GB|dB|fps|seconds|minutes)\b|\d\.\d")
NO_FIGURES = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|Python \d\.\d+", re.DOTALL)
RESULTS = ROOT / "tests" / "bench" / "results"


def measured(name: str, key: str, results: Path) -> object:
    """What `results/name.json` holds under `key`, a path of names and list positions joined by dots."""
    path = results / f"{name}.json"
    value = json.loads(path.read_text()) if path.exists() else None
    for part in key.split("."):
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def unproven(text: str, results: Path) -> list[str]:
    """The figures in a README that no result file holds, as CONTRIBUTING describes the convention."""
    wrong = ["a mark without a figure"] * (text.count("<!-- bench:") - len(MARKED.findall(text)))
    for name, key, shown in MARKED.findall(text):
        value = measured(name, key, results)
        decimals = len(shown.partition(".")[2])
        if not isinstance(value, int | float) or f"{value:.{decimals}f}" != shown.replace(",", ""):
            wrong.append(f"{name} {key}: README says {shown}, the file {value}")
    rest = NO_FIGURES.sub("", MARKED.sub("", text))
    return wrong + [f"no bench behind {figure!r}" for figure in FIGURE.findall(rest)]


def test_every_figure_of_the_readme_was_measured():
    readme = ROOT / "README.md"
    assert not readme.exists() or unproven(readme.read_text(), RESULTS) == []


def test_the_guard_of_figures_sees_wrong_ones(tmp_path):
    (tmp_path / "run.json").write_text('{"speed": {"total": 12.345}, "rows": [{"count": 1200}]}')
    good = "In <!-- bench:run speed.total -->12.3 s come <!-- bench:run rows.0.count -->1,200 faces. `5 s` Python 3.11"
    assert unproven(good, tmp_path) == []
    for bad in ("12.4", "12", "13"):
        assert len(unproven(good.replace("12.3", bad), tmp_path)) == (bad != "12")
    for bad in ("run speed.none", "run speed", "run rows.1.count", "none speed.total"):
        assert len(unproven(good.replace("run speed.total", bad), tmp_path)) == 1
    assert len(unproven("<!-- bench:run speed.total -->SOON s", tmp_path)) == 1
    for bare in ("in 9 s", "0.93 of it", "twice: 2x", "40 MB"):
        assert len(unproven(bare, tmp_path)) == 1


def test_results_say_how_they_were_made():
    for result in RESULTS.glob("*.json"):
        assert {"commit", "command", "versions", "seed"} <= set(json.loads(result.read_text()))


def test_results_name_no_place_of_the_machine_that_made_them():
    for result in RESULTS.glob("*.json"):
        command = json.loads(result.read_text())["command"]
        assert portable(command) == command, result.name
        assert command in result.with_suffix(".md").read_text()
    told = f"python -m tests.bench.x a={ROOT}/runs/a {ROOT}/runs/b c=/srv/d/e --out /srv/f.json assets/g --rate 1/2"
    assert portable(told) == "python -m tests.bench.x a=runs/a runs/b c=e --out f.json assets/g --rate 1/2"
