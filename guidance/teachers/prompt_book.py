"""Prompts of one checkpoint, each embedded once: in memory and on disk, so that text encoders come and go early.

The encoders of large checkpoints are larger than the network; they are loaded only for a prompt that is new, and freed
before the network first runs.
"""

import gc
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from guidance.teachers.rows import Bind, Rows

Encode = Callable[[Any, list[str]], Mapping[str, Tensor]]
"""(the open encoder, prompts) -> named tensors, one row a prompt."""


class PromptBook:
    """Embeds prompts as `Rows` on `device`.

    open_encoder makes what `encode` takes, and is called only for prompts that were never seen. folder: where rows are
    kept between runs, None is nowhere. key: of the encoders, so that another checkpoint's rows are never taken.
    """

    def __init__(
        self,
        open_encoder: Callable[[], Any],
        encode: Encode,
        *,
        device: torch.device,
        key: str = "",
        folder: Path | None = None,
        bind: Bind | None = None,
    ) -> None:
        self._open, self._encode, self._bind = open_encoder, encode, bind
        self._device, self._key, self._folder = device, key, folder
        self._encoder: Any = None
        self._known: dict[str, dict[str, Tensor]] = {}

    @property
    def open(self) -> bool:
        """Whether the encoders are in memory."""
        return self._encoder is not None

    def embed(self, prompts: Sequence[str]) -> Rows:
        wanted = dict.fromkeys(prompts)
        for prompt in wanted.keys() - self._known.keys():
            kept = self._read(prompt)
            if kept is not None:
                self._known[prompt] = kept
        fresh = [prompt for prompt in wanted if prompt not in self._known]
        if fresh:
            self._learn(fresh)
        rows = [self._known[prompt] for prompt in prompts]
        tensors = {name: torch.stack([row[name] for row in rows]).to(self._device) for name in rows[0]}
        return Rows(tensors, self._bind)

    def close(self) -> None:
        """Free the encoders; a new prompt opens them again."""
        if self._encoder is not None:
            self._encoder = None
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    @torch.no_grad()
    def _learn(self, prompts: list[str]) -> None:
        if self._encoder is None:
            self._encoder = self._open()
        found = {name: value.cpu() for name, value in self._encode(self._encoder, prompts).items()}
        for i, prompt in enumerate(prompts):
            self._known[prompt] = {name: value[i].clone() for name, value in found.items()}
            self._write(prompt)

    def _path(self, folder: Path, prompt: str) -> Path:
        name = hashlib.sha256("\0".join((self._key, prompt)).encode()).hexdigest()
        return folder / f"{name}.safetensors"

    def _read(self, prompt: str) -> dict[str, Tensor] | None:
        if self._folder is None:
            return None
        try:
            return load_file(self._path(self._folder, prompt))
        except (OSError, SafetensorError):  # never kept, or damaged: it is embedded anew
            return None

    def _write(self, prompt: str) -> None:
        """Whole or not at all, and never the end of a run: a cache that cannot be written is no cache."""
        if self._folder is None:
            return
        path = self._path(self._folder, prompt)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                file.write(save(self._known[prompt]))
            os.replace(file.name, path)
        except OSError:
            return
