"""Class-conditional latent transformers: DiT (Peebles and Xie 2022, 2212.09748)."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows
from guidance.teachers.unconditional import nothing


@dataclass(frozen=True)
class Labels:
    """Prompts that are names of classes, or their numbers; "" is the class that stands for none."""

    names: Mapping[str, int]
    count: int
    device: torch.device

    def __call__(self, prompts: Sequence[str]) -> Rows:
        return Rows({"label": torch.tensor([self.number(p) for p in prompts], device=self.device)})

    def number(self, prompt: str) -> int:
        """ValueError names the nearest classes."""
        name = prompt.strip().lower()
        if not name:
            return self.count
        if name in self.names:
            return self.names[name]
        if name.isdecimal() and int(name) < self.count:
            return int(name)
        near = ", ".join(difflib.get_close_matches(name, self.names, n=3, cutoff=0.5))
        raise ValueError(
            f"this checkpoint knows {self.count} classes, by name or by number from 0, and {prompt!r} is none of them"
            + (f"; near: {near}" if near else "")
        )


def evaluate(network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
    return network(x, timestep=clock, class_labels=rows.tensors["label"].to(x.device)).sample


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    return Rows({"label": torch.empty(count, dtype=torch.long)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("transformer"), tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, codec.shape[0], parts)
    said = parts.index.get("id2label") or {}
    names = {name.strip().lower(): int(number) for number, row in said.items() for name in row.split(",")}
    labels = Labels(names, network.config.num_embeds_ada_norm, parts.device)
    process = read_process(parts.part("scheduler"))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, labels, nothing, parts.dtype)
