"""The tiny checkpoints opened, once a session each, as our teachers and as the library's pipelines."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import torch

from guidance.teachers.diffusion import DiffusionTeacher, open_checkpoint
from guidance.teachers.loading import Loading
from guidance.teachers.parts import quiet
from tests.checkpoints import NO_CHECKER, checkpoint

CPU = torch.device("cpu")
FAMILIES = (
    "stable_diffusion",
    "latent_consistency",
    "sdxl",
    "stable_diffusion3",
    "flux",
    "deepfloyd",
    "ddpm",
    "dit",
    "mvdream",
    "zero123",
)
TAKES_CAMERAS = ("mvdream", "zero123")


@cache
def opened(name: str) -> DiffusionTeacher:
    return open_checkpoint(checkpoint(name), Loading(teacher_pixels=32), CPU)


@cache
def pipeline(name: str, kind: str) -> Any:
    """The checkpoint as the library's pipeline class `kind`, silent."""
    import diffusers

    checked = NO_CHECKER if kind in ("StableDiffusionPipeline", "IFPipeline") else {}
    if kind == "IFPipeline":
        checked = {**checked, "watermarker": None}
    with quiet():
        pipe = getattr(diffusers, kind).from_pretrained(checkpoint(name), local_files_only=True, **checked)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def copied(name: str, folder: Path, **changes: dict[str, Any]) -> Path:
    """A copy of a checkpoint in `folder`; `changes` are entries of the config files of its parts."""
    shutil.copytree(checkpoint(name), folder)
    for part, entries in changes.items():
        path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


@cache
def prompt(name: str) -> str:
    """What this checkpoint reads."""
    if name == "dit":
        return "goldfish"
    if name != "zero123":
        return "a red cube"
    from PIL import Image

    path = checkpoint(name).with_suffix(".png")
    gradient = Image.linear_gradient("L").resize((40, 30))
    Image.merge("RGB", (gradient, gradient.rotate(180), gradient)).save(path)
    return str(path)
