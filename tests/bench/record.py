"""Writes what a bench measured: `results/NAME.json` with all that is needed to run it again, `results/NAME.md` to read.

Benches run from the top of the checkout, as `python -m tests.bench.NAME`, on a quiet machine.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.provenance import ROOT, commit, versions

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "numba", "nerfacc", "diffusers", "transformers", "scikit-image", "trimesh", "xatlas")
Value = str | int | float | bool | None


def record(
    name: str,
    rows: Sequence[Mapping[str, Value]],
    *,
    seed: int,
    command: str | None = None,
    title: str = "",
    facts: Mapping[str, Value] | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Write `rows` (equal keys, which become the columns) and the `facts` about the whole bench; the path of the JSON.

    `command` is taken from the command line where it is not given. ValueError where the keys of the rows differ.
    """
    if len({tuple(row) for row in rows}) != 1:
        raise ValueError(f"bench {name}: rows need the same keys in the same order, got {[list(r) for r in rows]}")
    data = {
        "name": name,
        "title": title or name,
        "commit": commit() or "unknown",
        "command": command or _command(),
        "seed": seed,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "versions": {package: found for package, found in versions(PACKAGES).items() if found},
        "facts": dict(facts or {}),
        "rows": [dict(row) for row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(_page(data), encoding="utf-8")
    return path


def table(rows: Sequence[Mapping[str, Value]]) -> str:
    """`rows` as a Markdown table, numbers with three significant digits."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_text(row[key]) for key in head) + " |" for row in rows]
    return "\n".join(lines)


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


def _page(data: dict) -> str:
    facts = "".join(f"- {key}: {_text(value)}\n" for key, value in data["facts"].items())
    versions = ", ".join(f"{key} {value}" for key, value in data["versions"].items())
    return (
        f"# {data['title']}\n\n{table(data['rows'])}\n\n{facts}\n`{data['command']}` at {data['commit']}, "
        f"seed {data['seed']}, {data['cores']} cores of {data['cpu']}; {versions}.\n"
    )


def _command() -> str:
    main = sys.modules["__main__"].__spec__
    program = f"-m {main.name}" if main else sys.argv[0]
    return portable(" ".join(["python", program, *sys.argv[1:]]))


def portable(command: str, root: Path = ROOT) -> str:
    """`command` without the places of this machine: what lies in the checkout is named from its top, other absolute
    paths by their last part."""
    inside = command.replace(f"{root}/", "")
    return re.sub(r"(?<![^\s=])/(?:[^\s/]+/)*([^\s/]+)", r"\1", inside)


def _cpu() -> str:
    """The processor's name; Linux keeps it in a file only."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
