"""Embedded prompts of a diffusion checkpoint: whatever tensors its network wants, one row a prompt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guidance.teacher import Views

Bind = Callable[["Rows", Views], Mapping[str, Tensor]]
"""(one row a view, the views) -> the tensors that tell the network where the cameras stand."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Named tensors with the same first dimension; `bind` is that of a network that takes cameras."""

    tensors: Mapping[str, Tensor]
    bind: Bind | None = None

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, rows: Tensor) -> "Rows":
        return replace(self, tensors={name: value[rows.to(value.device)] for name, value in self.tensors.items()})

    def cat(self, other: "Rows") -> "Rows":
        return replace(self, tensors={n: torch.cat([value, other.tensors[n]]) for n, value in self.tensors.items()})

    def at(self, views: Views) -> "Rows":
        count = len(views)
        if len(self) not in (1, count):
            raise ValueError(f"{len(self)} prompts for {count} views: give one prompt, or one a view")
        rows = self if len(self) == count else self[torch.zeros(count, dtype=torch.long)]
        return rows if self.bind is None else replace(rows, tensors={**rows.tensors, **self.bind(rows, views)})
