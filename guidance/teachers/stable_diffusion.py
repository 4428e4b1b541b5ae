"""Stable Diffusion 1 and 2 (Rombach et al. 2022, 2112.10752), their turbo and zero-terminal-SNR kin, and latent
consistency models (Luo et al. 2023, 2310.04378)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows

PIPELINE = "StableDiffusionPipeline"
USUAL_SCALE = 8.5  # of latent consistency models


def encode(pipeline: Any, prompts: list[str]) -> Mapping[str, Tensor]:
    text, _ = pipeline.encode_prompt(prompts, pipeline.text_encoder.device, 1, False)
    return {"text": text}


@dataclass(frozen=True)
class CrossAttention:
    """A U-Net that reads the text by cross-attention.

    scale: told to networks that take the guidance scale as an input (`time_cond_proj_dim` in their config).
    """

    scale: float

    def __call__(self, network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
        text = rows.tensors["text"].to(x)
        return network(x, clock, text, timestep_cond=scale_input(network, self.scale, x)).sample


def scale_input(network: nn.Module, scale: float, x: Tensor) -> Tensor | None:
    """The guidance scale as `network` reads it, (b, d); None where it reads none.

    Sines, then cosines, of 1000 (scale - 1) at d/2 frequencies (2310.04378, section 4.2: w = scale - 1).
    """
    width = network.config.get("time_cond_proj_dim")  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    if not width:
        return None
    half = width // 2
    frequencies = (torch.arange(half) * (-math.log(10_000) / (half - 1))).exp()
    angles = 1000 * (scale - 1) * frequencies
    row = torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()]), (0, width % 2))
    return row.to(x).expand(len(x), -1)


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    return Rows({"text": torch.empty(count, 77, network.config.cross_attention_dim)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("unet"), tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, codec.shape[0], parts)
    book = parts.book(encode, PIPELINE)
    evaluate = CrossAttention(parts.loading.embedded_guidance or USUAL_SCALE)
    process = read_process(parts.part("scheduler"))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype)
