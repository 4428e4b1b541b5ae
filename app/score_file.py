"""The file of an evaluation: what was asked, one row a prompt and seed, and the means; whole after every row."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from app.errors import UserError, one_line
from app.provenance import commit
from distill.evaluation import COUNTED_AS_ZERO, MEASURES, AssetScore, Result, means
from distill.files import write_atomically

SECONDS = "from building the run to the mesh on disk; the teacher was open before"
PEAK_MB = "largest resident memory of the whole process while the asset was made; without Linux, until then"


@dataclass(frozen=True)
class ScoreRow:
    """A result, with what it cost and where its mesh lies. `mesh` and `mesh_digest` are empty where there is none."""

    result: Result
    seconds: float
    peak_mb: float | None
    faces: int = 0
    warnings: int = 0
    mesh: str = ""
    mesh_digest: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.result.prompt, self.result.seed

    def to_json(self) -> dict[str, Any]:
        """One flat entry; a failed one has 0 for what counts as zero, null for the other measures, and its error."""
        score, own = self.result.score, asdict(self)
        del own["result"]
        failed = {name: 0.0 if name in COUNTED_AS_ZERO else None for name in MEASURES}
        figures = failed if score is None else asdict(score)
        return {"prompt": self.result.prompt, "seed": self.result.seed, **figures, **own, "error": self.result.error}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ScoreRow":
        """The row that `to_json` wrote. KeyError, TypeError or ValueError where it did not."""
        figures = {name: data[name] for name in MEASURES}
        score = AssetScore(**figures) if data["error"] is None else None
        own = {f.name: data[f.name] for f in fields(ScoreRow) if f.name != "result"}
        return ScoreRow(Result(data["prompt"], data["seed"], score, data["error"]), **own)


def read(path: Path) -> tuple[dict[str, Any], list[ScoreRow]] | None:
    """The settings and rows of a file that `write` wrote; None where there is none. UserError where it is no such."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return data["settings"], [ScoreRow.from_json(row) for row in data["results"]]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{one_line(error)}; choose another --json") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no file of scores, or damaged; choose another --json, or delete it") from error


def write(path: Path, settings: Mapping[str, Any], rows: Sequence[ScoreRow], wanted: int) -> None:
    """Replace the file in one step by one with these rows, of `wanted` in the end."""
    results = [row.result for row in rows]
    peaks = [row.peak_mb for row in rows if row.peak_mb is not None]
    data = {
        "complete": len(rows) == wanted,
        "prompts": len({r.prompt for r in results}),
        "assets": len(results),
        "failed": sum(r.score is None for r in results),
        "means": {name: asdict(found) for name, found in means(results).items()},
        "largest_peak_mb": max(peaks, default=None),
        **{name: settings[name] for name in ("quality", "teacher", "guidance", "versions")},
        "commit": commit(),
        "machine": f"{platform.system()} {platform.machine()}",
        "measures": {**MEASURES, "seconds": SECONDS, "peak_mb": PEAK_MB},
        "failed_count_as_zero_in": list(COUNTED_AS_ZERO),
        "intervals": "95 %, Student, over prompts; the seeds of a prompt are averaged first",
        "settings": dict(settings),
        "results": [row.to_json() for row in rows],
    }
    write_atomically(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())
