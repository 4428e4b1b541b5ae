"""Making assets and scoring them: one after the other, each noted at once, none made twice."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from app import score_file
from app.asset_maker import Maker, Watch, last_of
from app.errors import UserError, blamed_on_input, one_line, refusal
from app.evaluation import Evaluation
from app.locks import alone
from app.runs import open_teacher
from app.score_file import ScoreRow
from distill.engine import never

LOCK = "lock"
Key = tuple[str, int]


def carry_out(
    evaluation: Evaluation, path: Path, meshes: Path, *, watch: Watch = last_of, stop: Callable[[], bool] = never
) -> Iterator[ScoreRow]:
    """Make and score what the file at `path` lacks, and yield all rows in order; the file is whole after each.

    The meshes lie in `meshes`. A row is kept where its settings are these and its mesh is untouched; a failed one is
    tried again. What goes wrong with one asset is its row's error. UserError where `path` holds rows that this
    evaluation would not make, `meshes` what is not its own, or the disk refuses. Ends early where `stop` says so.
    """
    settings, plan = evaluation.settings(), evaluation.plan()
    try:
        _kept(path, settings, plan, meshes)  # refuses before anything is written
        for folder in (meshes, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (meshes / LOCK).touch()
        with alone(meshes / LOCK):
            done = _kept(path, settings, plan, meshes)
            score_file.write(path, settings, _in_order(done, plan), len(plan))
            maker: Maker | None = None
            for key in plan:
                if key not in done:
                    maker = maker or _maker(evaluation.teacher, meshes, watch, stop)
                    row = maker.attempt(evaluation.recipe(*key))
                    if row is None:
                        return
                    done[key] = row
                    score_file.write(path, settings, _in_order(done, plan), len(plan))
                yield done[key]
    except OSError as error:
        raise UserError(f"{refusal(error) or one_line(error)}, then run the same command again") from error


def _maker(teacher: str, meshes: Path, watch: Watch, stop: Callable[[], bool]) -> Maker:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with blamed_on_input():
        return Maker(open_teacher(teacher, device), device, meshes, watch, stop)


def _in_order(done: Mapping[Key, ScoreRow], plan: list[Key]) -> list[ScoreRow]:
    return [done[key] for key in plan if key in done]


def _kept(path: Path, settings: Mapping[str, Any], plan: list[Key], meshes: Path) -> dict[Key, ScoreRow]:
    """The rows of an earlier, broken-off call that need not be made again."""
    found = score_file.read(path)
    if found is None:
        if meshes.exists() and any(p.name != LOCK for p in meshes.iterdir()):
            raise UserError(
                f"{meshes} holds files already and {path} does not say what they are; choose another --meshes"
            )
        return {}
    earlier, rows = found
    other = [name for name in {**settings, **earlier} if settings.get(name) != earlier.get(name)]
    if other:
        name = other[0]
        values = f" ({earlier.get(name)}, not {settings.get(name)})" if name != "recipe" else ""
        raise UserError(f"{path} holds scores made with another {name}{values}; choose another --json, or delete it")
    strange = [row.key for row in rows if row.key not in plan]
    if strange:
        prompt, seed = strange[0]
        raise UserError(
            f"{path} holds {len(strange)} scores that this command does not ask for, such as {prompt!r} with seed "
            f"{seed}; choose another --json, or delete it"
        )
    return {row.key: row for row in rows if row.mesh and _digest(meshes / row.mesh) == row.mesh_digest}


def _digest(path: Path) -> str | None:
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None
