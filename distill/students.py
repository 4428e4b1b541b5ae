"""Helpers of student networks: the moving average that is what a training run delivers."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from distill.checkpoint import require_keys


class EMA:
    """Exponential moving average of a model's weights, by half-life in samples (Karras et al. 2022, 2206.00364).

    After `half_life` more samples the old average counts half, whatever the batch size. `model` is the average:
    a frozen copy, in evaluation mode. Buffers are copied, not averaged.
    """

    def __init__(self, model: nn.Module, half_life: float) -> None:
        if not half_life > 0:
            raise ValueError(f"the half-life must be a positive number of samples, got {half_life}")
        self.half_life = half_life
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, samples: int) -> None:
        """Move toward `model`, which has just learned from `samples` more samples."""
        toward = 1 - 0.5 ** (samples / self.half_life)
        for mine, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs, toward)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; CheckpointError or RuntimeError where it does not fit."""
        require_keys(state, {"model"}, "the moving average")
        self.model.load_state_dict(state["model"])
