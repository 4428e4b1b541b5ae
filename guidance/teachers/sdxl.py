"""Stable Diffusion XL (Podell et al. 2023, 2307.01952), its turbo and latent-consistency kin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts, zeros_where
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows
from guidance.teachers.stable_diffusion import USUAL_SCALE, scale_input

PIPELINE = "StableDiffusionXLPipeline"


def encode(pipeline: Any, prompts: list[str]) -> Mapping[str, Tensor]:
    """The empty prompt is zeros where the checkpoint was trained so (`force_zeros_for_empty_prompt`)."""
    device = pipeline.text_encoder_2.device
    text, _, pooled, _ = pipeline.encode_prompt(prompts, device=device, do_classifier_free_guidance=False)
    empty = [not p and bool(pipeline.config.force_zeros_for_empty_prompt) for p in prompts]
    return {"text": zeros_where(text, empty), "pooled": zeros_where(pooled, empty)}


@dataclass(frozen=True)
class MicroConditioned:
    """The U-Net told that a picture of `side` pixels was neither resized nor cropped (2307.01952, section 2.2).

    scale: as in `stable_diffusion.CrossAttention`.
    """

    side: int
    scale: float

    def __call__(self, network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
        told = torch.tensor([self.side, self.side, 0, 0, self.side, self.side], dtype=x.dtype, device=x.device)
        added = {"text_embeds": rows.tensors["pooled"].to(x), "time_ids": told.expand(len(x), -1)}
        text, scale = rows.tensors["text"].to(x), scale_input(network, self.scale, x)
        return network(x, clock, text, timestep_cond=scale, added_cond_kwargs=added).sample


def without_overflow(vae: Any) -> Any:
    """`vae` in float32 where it is in float16 and its config says that it overflows there (`force_upcast`)."""
    if vae.config.get("force_upcast") and vae.dtype == torch.float16:
        vae.to(torch.float32)
    return vae


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    told = network.config.projection_class_embeddings_input_dim - 6 * network.config.addition_time_embed_dim
    text = torch.empty(count, 77, network.config.cross_attention_dim)
    return Rows({"text": text, "pooled": torch.empty(count, told)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("unet"), without_overflow(tiled(parts.part("vae"), parts))
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, codec.shape[0], parts)
    book = parts.book(encode, PIPELINE)
    evaluate = MicroConditioned(codec.side, parts.loading.embedded_guidance or USUAL_SCALE)
    process = read_process(parts.part("scheduler"))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype)
