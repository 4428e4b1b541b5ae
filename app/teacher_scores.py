"""The figures of one teacher: what `scorelift evaluate TEACHER` prints and writes."""

import json
from pathlib import Path
from typing import Any

import torch

from app.errors import UserError, blamed_on_input
from app.provenance import commit, versions
from app.runs import open_teacher
from distill.denoising_error import DenoisingError, denoising_error, held_out_bank
from distill.files import write_atomically

UNITS = "squared error of x0, pictures in [-1, 1], mean over pictures and pixels"


def score_teacher(name: str, count: int, seed: int, path: Path | None) -> int:
    """Measure the teacher called `name`, print its figures, and write them to `path`; returns the exit code."""
    if path is not None and path.exists():
        raise UserError(f"{path} is there already; choose another --json")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with blamed_on_input():
        teacher = open_teacher(name, device)
        found = denoising_error(teacher, held_out_bank(teacher.shape[-1]), count=count, seed=seed, device=device)
    rows = _rows(found)
    print(f"{'lam':>5} {'error':>9} {'azimuth':>9} {'nothing':>9} {'camera':>7} {'condition':>9}")
    for row in rows:
        errors = " ".join(f"{row[key]:9.4g}" for key in ("error", "error_turned", "error_untold"))
        print(f"{row['lam']:5g} {errors} {row['camera']:7.3f} {row['condition']:9.3f}")
    for key, value in found.overall().items():
        print(f"{key}: {value:.4g}")
    if path is not None:
        data = {"teacher": name, "pictures": count, "side": teacher.shape[-1], "seed": seed, "units": UNITS}
        made_by = {"commit": commit(), "versions": versions()}
        with blamed_on_input():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({**data, **made_by, "overall": found.overall(), "levels": rows}, indent=1) + "\n"
            write_atomically(path, text.encode())
        print(f"figures: {path}")
    return 0


def _rows(found: DenoisingError) -> list[dict[str, Any]]:
    means = (x.mean(1).tolist() for x in (found.told, found.turned, found.untold))
    columns = zip(found.levels, *means, found.camera.tolist(), found.condition.tolist(), strict=True)
    names = ("lam", "error", "error_turned", "error_untold", "camera", "condition")
    return [dict(zip(names, row, strict=True)) for row in columns]
