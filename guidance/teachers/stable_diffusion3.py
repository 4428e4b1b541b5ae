"""Stable Diffusion 3 and 3.5: rectified flow with a multimodal transformer (Esser et al. 2024, 2403.03206)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows

PIPELINE = "StableDiffusion3Pipeline"


def encode(pipeline: Any, prompts: list[str]) -> Mapping[str, Tensor]:
    device = pipeline.text_encoder.device
    text, _, pooled, _ = pipeline.encode_prompt(
        prompts, prompts, prompts, device=device, do_classifier_free_guidance=False
    )
    return {"text": text, "pooled": pooled}


def evaluate(network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
    text, pooled = (rows.tensors[name].to(x) for name in ("text", "pooled"))
    return network(x, text, pooled, clock).sample


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    text = torch.empty(count, 77 + 256, network.config.joint_attention_dim)
    return Rows({"text": text, "pooled": torch.empty(count, network.config.pooled_projection_dim)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("transformer"), tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, codec.shape[0], parts)
    largest = network.config.pos_embed_max_size * network.config.patch_size * reduction(vae)
    if codec.side > largest or codec.shape[-1] % network.config.patch_size:
        multiple = network.config.patch_size * reduction(vae)
        raise ValueError(
            f"this checkpoint takes pictures of at most {largest} pixels in steps of {multiple}, got {codec.side}"
        )
    book = parts.book(encode, PIPELINE)
    process = read_process(parts.part("scheduler"))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype)
