"""Checkpoints that survive a kill at any moment, a full disk and a damaged file.

A checkpoint is one torch file of plain containers and tensors, read with `weights_only=True`. A new one is written
beside the old, flushed to disk and renamed over it, and the old one is kept as `*.previous.pt`: whenever the process
dies, one of the two is whole.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill.files import FULL_DISK, write_synced

SCHEMA = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be written or read; the message is one line with the remedy."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` steps."""

    step: int
    state: Mapping[str, Any]


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_suffix(".previous" + path.suffix)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path` atomically, keeping the one before it. CheckpointError where the disk is full.

    Serialized in memory first: torch's own writer ends in an internal error, not in an OSError, when a disk is full.
    """
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, "step": checkpoint.step, "state": dict(checkpoint.state)}, buffer)
    fresh = path.with_suffix(".writing" + path.suffix)
    try:
        write_synced(fresh, buffer.getbuffer())
    except OSError as error:
        fresh.unlink(missing_ok=True)
        if error.errno not in FULL_DISK:
            raise
        kept = f"; {path} is intact" if path.exists() else ""
        megabytes = buffer.tell() / 1e6
        raise CheckpointError(
            f"disk full: no room for a checkpoint of {megabytes:.1f} MB in {path.parent}{kept}; free space and resume"
        ) from error
    if path.exists():
        os.replace(path, previous(path))
    os.replace(fresh, path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU. CheckpointError where there is none, it is damaged or it is not one of ours.

    Falls back to the previous checkpoint where a kill between the two renames left only that. A damaged file is
    never passed over in silence.
    """
    source = path if path.exists() else previous(path)
    if not source.exists():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        _check_sums(source)
        data = torch.load(source, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds for a broken file
        raise CheckpointError(_damaged(source, path)) from error
    if not isinstance(data, dict) or set(data) != {"schema", "step", "state"}:
        raise CheckpointError(f"{source} is not a checkpoint of Scorelift")
    if data["schema"] != SCHEMA:
        raise CheckpointError(f"{source} has schema {data['schema']}, this version reads {SCHEMA}; start the run anew")
    if type(data["step"]) is not int or data["step"] < 0 or not isinstance(data["state"], dict):
        raise CheckpointError(_damaged(source, path))
    return Checkpoint(data["step"], data["state"])


def require_keys(state: Mapping[str, Any], expected: set[str], what: str) -> None:
    """CheckpointError that names the first missing and unknown entries of `state`, where there are any."""
    missing, unknown = sorted(expected - set(state)), sorted(set(state) - expected)
    if missing or unknown:
        parts = [f"{n} {', '.join(k[:3])}" for n, k in (("misses", missing), ("has unknown", unknown)) if k]
        raise CheckpointError(
            f"the checkpoint of {what} {' and '.join(parts)}; it belongs to another recipe or version"
        )


def _check_sums(path: Path) -> None:
    """torch never verifies the CRC-32 of its own records, so a flipped bit would load as a wrong weight."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"record {broken} fails its checksum")


def _damaged(source: Path, path: Path) -> str:
    older = previous(path)
    remedy = "start the run anew"
    if source == path and older.exists():
        remedy = f"delete it to resume from {older.name}"
    return f"checkpoint {source} is damaged; {remedy}"
