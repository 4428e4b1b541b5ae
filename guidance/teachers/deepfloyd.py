"""DeepFloyd IF, first stage: pixels, a T5 text encoder, after Imagen (Saharia et al. 2022, 2205.11487)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.codecs import Codec, Pixels
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows

PIPELINE = "IFPipeline"


def encode(pipeline: Any, prompts: list[str]) -> Mapping[str, Tensor]:
    device = pipeline.text_encoder.device
    text, _ = pipeline.encode_prompt(prompts, do_classifier_free_guidance=False, device=device)
    return {"text": text}


def evaluate(network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
    return network(x, clock, rows.tensors["text"].to(x)).sample


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    width = network.config.encoder_hid_dim or network.config.cross_attention_dim
    return Rows({"text": torch.empty(count, 77, width)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network = parts.part("unet")
    fits(network, 3, parts)
    book = parts.book(encode, PIPELINE)
    process, codec = read_process(parts.part("scheduler")), Pixels(side_of(parts, network, 1))
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype)
