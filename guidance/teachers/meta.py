"""A checkpoint's networks without their weights: what an estimate is made of before anything is loaded."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guidance.cost import Cost, cost_of
from guidance.teachers.diffusion import assemble
from guidance.teachers.families import Family, read_index, recognize
from guidance.teachers.loading import Loading
from guidance.teachers.parts import quiet
from guidance.teachers.prompt_book import Encode, PromptBook
from guidance.teachers.rows import Bind

META = torch.device("meta")


@dataclass(frozen=True, eq=False)
class MetaParts:
    """The parts of a folder with weights of no content, in the precision they would have."""

    folder: Path
    dtype: torch.dtype
    loading: Loading = field(default_factory=Loading)
    device: torch.device = META

    @property
    def family(self) -> Family:
        return recognize(self.folder)

    @property
    def index(self) -> Mapping[str, Any]:
        return read_index(self.folder)

    def part(self, name: str) -> Any:
        library, kind = self.index.get(name) or ("", "")
        if library != "diffusers":
            return None  # what reads prompts: it is gone before the network runs
        cls: Any = getattr(importlib.import_module(library), kind)
        if nn.Module not in cls.__mro__:
            return cls.from_pretrained(str(self.folder), subfolder=name, local_files_only=True)
        config = cls.load_config(str(self.folder), subfolder=name, local_files_only=True)
        with META, quiet():
            return cls.from_config(config).to(self.dtype).requires_grad_(False).eval()

    def book(self, encode: Encode, pipeline: str, *, bind: Bind | None = None) -> PromptBook:
        return PromptBook(lambda: None, encode, device=self.device, bind=bind)


@dataclass(frozen=True)
class Step:
    """Of one optimization step: the network under all conditions, and the pictures' way into it and the gradient's way
    back out."""

    network: Cost
    encode: Cost
    flops: int
    peak: int


def step_cost(folder: Path, loading: Loading, dtype: torch.dtype, *, views: int, conditions: int, size: int) -> Step:
    """The cost of a step with `views` pictures of `size` pixels under `conditions` prompts each.

    ValueError, in one line, as `open_checkpoint`.
    """
    plain = Loading(teacher_pixels=loading.teacher_pixels)
    teacher = assemble(MetaParts(folder, dtype, plain))
    module = importlib.import_module(f"guidance.teachers.{teacher.family.module}")
    count = views * conditions
    with META:
        x, clock = torch.empty(count, *teacher.shape, dtype=dtype), torch.empty(count)
        rows = module.blank(teacher.network, teacher.codec, count)
        pictures = torch.empty(views, 3, size, size, requires_grad=True)
        with torch.no_grad():
            network = cost_of(lambda: teacher.evaluate(teacher.network, x, clock, rows))
        encode = cost_of(lambda: teacher.encode(pictures))
    # Backward through the encoder costs its forward once more for the pictures alone; its weights get no gradient.
    return Step(network, encode, network.flops + 2 * encode.flops, max(network.peak, encode.kept))
