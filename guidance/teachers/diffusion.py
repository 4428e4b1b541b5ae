"""A diffusion checkpoint as a teacher: codec, process, prompts and network, put together by the file of its family."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guidance.teacher import CameraLaw
from guidance.teachers.codecs import Codec
from guidance.teachers.families import Family
from guidance.teachers.loading import Loading
from guidance.teachers.parts import FolderParts, Parts
from guidance.teachers.process import Process
from guidance.teachers.rows import Rows
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule

Evaluate = Callable[[nn.Module, Tensor, Tensor, Rows], Tensor]
"""(network, x (b, C, H, W), clock (b,), rows) -> its output (b, C or 2 C, H, W); the second half is a variance."""


@dataclass(frozen=True, eq=False)
class DiffusionTeacher:
    """A checkpoint behind `guidance.teacher.Teacher`.

    network: frozen; `dataclasses.replace(teacher, network=...)` is the same teacher with another one, say a trainable
    copy that a distillation starts from. A learned variance in its output is not used.
    prompts: embeds (a `PromptBook`, or what needs no encoder). release: called before the network runs, to free what
    embedded the prompts.
    """

    family: Family
    network: Any
    evaluate: Evaluate
    process: Process
    codec: Codec
    prompts: Callable[[Sequence[str]], Rows]
    release: Callable[[], None]
    dtype: torch.dtype
    cameras: CameraLaw | None = None

    @property
    def schedule(self) -> NoiseSchedule:
        return self.process.schedule

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.codec.shape

    @property
    def side(self) -> int:
        """Of the pictures it looks at, in pixels."""
        return self.codec.side

    @property
    def reads_words(self) -> bool:
        """Whether words about the view may be added to a prompt."""
        return self.family.reads == "text"

    def embed(self, prompts: Sequence[str]) -> Rows:
        return self.prompts(prompts)

    def encode(self, images: Tensor) -> Tensor:
        return self.codec.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        return self.codec.decode(latents)

    def __call__(self, x_t: Tensor, t: Tensor | float, cond: Rows) -> Prediction:
        self.release()
        times = torch.as_tensor(t)
        alpha, sigma = self.schedule.coefficients(times, x_t)
        clock = self.process.clock(times).expand(len(x_t)).to(x_t.device)
        output = self.evaluate(self.network, x_t.to(self.dtype), clock, cond)
        value = output[:, : x_t.shape[1]].to(x_t.dtype)
        return Prediction(value, self.process.kind, x_t, alpha, sigma)


def open_checkpoint(folder: Path, loading: Loading, device: torch.device) -> DiffusionTeacher:
    """The teacher in a folder of diffusers' format. ValueError, in one line, where it is damaged or unsupported."""
    return assemble(FolderParts(folder, loading, device, precision(loading, device)))


def assemble(parts: Parts) -> DiffusionTeacher:
    """The teacher made of `parts`, by the file of its family."""
    module = importlib.import_module(f"guidance.teachers.{parts.family.module}")
    return module.open_teacher(parts)


def precision(loading: Loading, device: torch.device) -> torch.dtype:
    """float32 on a CPU, where 16 bits are slower; on a GPU bfloat16 where it has it, else float16."""
    if loading.dtype != "auto":
        return getattr(torch, loading.dtype)
    if device.type == "cpu":
        return torch.float32
    whole = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if whole else torch.float16


def ready(network: Any, parts: Parts) -> Any:
    """`network` with the savings of memory that the settings ask for, by the library's own means."""
    loading, name = parts.loading, parts.family.name
    if loading.attention_slicing:
        if not hasattr(network, "set_attention_slice"):
            raise ValueError(f"checkpoints of {name} have no attention slicing; leave --attention-slicing out")
        network.set_attention_slice("auto")
    if loading.offload:
        network.to("cpu")
        network.enable_group_offload(
            onload_device=parts.device, offload_device=torch.device("cpu"), offload_type="leaf_level"
        )
    return network


def tiled(vae: Any, parts: Parts) -> Any:
    """`vae`, in tiles and slices where the settings ask for it."""
    if parts.loading.vae_tiling:
        vae.enable_tiling()
        vae.enable_slicing()
    return vae


def side_of(parts: Parts, network: Any, factor: int) -> int:
    """The side of the pictures, in pixels: as asked for, as the family has it, or the network's own sample size."""
    size = network.config.get("sample_size")
    own = (size if isinstance(size, int) else size[0]) * factor if size else 0
    return parts.loading.teacher_pixels or parts.family.pixels or own


def fits(network: Any, channels: int, parts: Parts) -> None:
    """ValueError where the network wants more than pictures of `channels`, as those for inpainting do."""
    wanted = network.config.in_channels
    if wanted != channels:
        raise ValueError(
            f"the network of this checkpoint takes {wanted} channels where {parts.family.name} takes {channels}: "
            "it is made for another task, such as inpainting, and cannot teach"
        )
