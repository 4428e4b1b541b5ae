"""Unconditional checkpoints in pixels (DDPM, Ho et al. 2020, 2006.11239): every prompt means the same."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, Pixels
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows


def embed(prompts: Sequence[str]) -> Rows:
    return Rows({"nothing": torch.zeros(len(prompts), 0)})


def evaluate(network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
    return network(x, clock).sample


def nothing() -> None:
    """There is no encoder to free."""


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    return Rows({"nothing": torch.empty(count, 0)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network = parts.part("unet")
    fits(network, 3, parts)
    process, codec = read_process(parts.part("scheduler")), Pixels(side_of(parts, network, 1))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, embed, nothing, parts.dtype)
