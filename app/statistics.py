"""The statistics of a teacher on disk: measured once, and again when the teacher is another one."""

import json
from hashlib import sha256
from pathlib import Path

import torch

from app.errors import blamed_on_input
from app.provenance import code_digest, folder_digest
from app.teachers import oracle_side
from distill.files import write_atomically
from distill.teacher_statistics import teacher_statistics
from guidance.teacher import Teacher
from guidance.teachers.embedded import embedded_folder
from samplers.statistics import DenoisingStatistics

CACHE = Path("runs/statistics")


def statistics_of(name: str, teacher: Teacher, device: torch.device) -> DenoisingStatistics:
    """Of the teacher called `name`, from the cache or measured now. UserError, in one line, where that is impossible.

    A file that cannot be read counts as none.
    """
    path = CACHE / f"{digest(name)}.json"
    try:
        return DenoisingStatistics.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, LookupError, TypeError, ValueError):
        print(f"measuring how well {name} denoises, once; kept in {path}", flush=True)
    with blamed_on_input():
        found = teacher_statistics(teacher, device=device)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(found.to_json(), indent=1) + "\n").encode())
    return found


def digest(name: str) -> str:
    """Of a teacher's files; of the oracle, which has none, of its name and the program."""
    if oracle_side(name):
        return sha256(f"{name} {code_digest()}".encode()).hexdigest()[:16]
    return folder_digest(embedded_folder() if name == "embedded" else Path(name))
