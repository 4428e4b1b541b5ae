"""An evaluation of assets before a person's eyes: a line for each, the means, the sheet."""

import sys
from pathlib import Path

from torch import Tensor

from app.errors import blamed_on_input
from app.evaluation import Evaluation
from app.progress import show
from app.score_file import ScoreRow
from app.scoring import carry_out
from app.stopping import stop_on_signals
from distill.evaluation import COUNTED_AS_ZERO, means, sheet_row
from guidance.vocabulary import load_vocabulary
from nerf.mesh_load import load
from nerf.pictures import contact_sheet, save_png


def score_assets(evaluation: Evaluation, path: Path, meshes: Path, sheet: Path | None) -> int:
    """Carry `evaluation` out, stoppable by Ctrl-C, and say how it went; returns the exit code."""
    wanted, rows = len(evaluation.plan()), list[ScoreRow]()
    with stop_on_signals() as stop:
        for row in carry_out(evaluation, path, meshes, watch=show, stop=stop):
            rows.append(row)
            print(f"{len(rows)}/{wanted} {_line(row, evaluation.seeds)}", flush=True)
    if len(rows) < wanted:
        print(f"stopped after {len(rows)} of {wanted}; the same command goes on", file=sys.stderr)
        return stop.exit_code
    _tell(rows, path)
    if sheet is not None:
        with blamed_on_input():
            save_png(sheet, draw_sheet(rows, meshes))
        print(f"sheet: {sheet}")
    return 0


def draw_sheet(rows: list[ScoreRow], meshes: Path) -> Tensor:
    """The contact sheet (3, H, W) of rows whose meshes lie in `meshes`."""
    seeds = {row.result.seed for row in rows}
    drawn = []
    for row in rows:
        result = row.result
        label = f"{result.prompt} (seed {result.seed})" if len(seeds) > 1 else result.prompt
        mesh = load(meshes / row.mesh) if row.mesh else None
        drawn.append(sheet_row(label, result, mesh, load_vocabulary().parse(result.prompt)))
    return contact_sheet(drawn)


def _line(row: ScoreRow, seeds: int) -> str:
    result, score = row.result, row.result.score
    name = f"{result.prompt}, seed {result.seed}" if seeds > 1 else result.prompt
    if score is None:
        return f"{name}: failed: {result.error}"
    memory = "" if row.peak_mb is None else f", {row.peak_mb:.0f} MB"
    return (
        f"{name}: IoU {score.iou:.3f}, F {score.fscore:.3f}, Chamfer {score.chamfer_l1:.4f}, color {score.color:.3f}, "
        f"PSNR {score.psnr:.1f} dB, {row.seconds:.0f} s{memory}"
    )


def _tell(rows: list[ScoreRow], path: Path) -> None:
    for name, found in means([row.result for row in rows]).items():
        spread = "" if found.low is None else f" (95 %: {found.low:.3f} to {found.high:.3f})"
        print(f"mean {name}: {found.mean:.4g}{spread} over {found.count} prompts")
    failed = sum(row.result.score is None for row in rows)
    if failed:
        print(f"failed: {failed} of {len(rows)}, counted as 0 in {' and '.join(COUNTED_AS_ZERO)}")
    print(f"scores: {path}")
