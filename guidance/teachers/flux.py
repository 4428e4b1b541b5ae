"""Flux: rectified flow with a transformer on 2 x 2 patches, most of its checkpoints with guidance as an input."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows

PIPELINE = "FluxPipeline"
USUAL_SCALE = 3.5


def encode(pipeline: Any, prompts: list[str]) -> Mapping[str, Tensor]:
    text, pooled, _ = pipeline.encode_prompt(prompts, device=pipeline.text_encoder.device)
    return {"text": text, "pooled": pooled}


def packed(x: Tensor) -> Tensor:
    """(b, C, H, W) as tokens of 2 x 2 patches, (b, H/2 * W/2, 4 C)."""
    return torch.nn.functional.pixel_unshuffle(x, 2).flatten(2).mT


def unpacked(tokens: Tensor, height: int) -> Tensor:
    """The way back for H = `height`."""
    return torch.nn.functional.pixel_shuffle(tokens.mT.unflatten(2, (height // 2, -1)), 2)


def places(x: Tensor) -> Tensor:
    """Of the patches of `x` (b, C, H, W), (H/2 * W/2, 3): 0, row, column."""
    height, width = x.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height // 2), torch.arange(width // 2), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).flatten(0, 1).to(x)


@dataclass(frozen=True)
class Tokens:
    """scale: told to networks that take the guidance scale as an input (`guidance_embeds` in their config)."""

    scale: float

    def __call__(self, network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
        text, pooled = (rows.tensors[name].to(x) for name in ("text", "pooled"))
        guidance = torch.full_like(clock, self.scale) if network.config.guidance_embeds else None
        output = network(
            packed(x),
            encoder_hidden_states=text,
            pooled_projections=pooled,
            timestep=clock.to(x),
            guidance=guidance,
            txt_ids=torch.zeros(text.shape[1], 3).to(x),
            img_ids=places(x),
        )
        return unpacked(output.sample, x.shape[-2])


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    text = torch.empty(count, 512, network.config.joint_attention_dim)
    return Rows({"text": text, "pooled": torch.empty(count, network.config.pooled_projection_dim)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("transformer"), tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, 4 * codec.shape[0], parts)
    if codec.shape[-1] % 2:
        raise ValueError(f"Flux takes pictures in steps of {2 * reduction(vae)} pixels, got {codec.side}")
    book = parts.book(encode, PIPELINE)
    process = replace(read_process(parts.part("scheduler")), ticks=1.0)  # the network counts in thousands by itself
    evaluate = Tokens(parts.loading.embedded_guidance or USUAL_SCALE)
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype)
