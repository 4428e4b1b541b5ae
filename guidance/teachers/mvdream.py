"""MVDream (Shi et al. 2023, 2308.16512): four views of one object, told their cameras and attended to together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, radians
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from guidance.teacher import CameraLaw, Views
from guidance.teachers.codecs import Codec, latents_of, reduction
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts, quiet
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows
from guidance.teachers.stable_diffusion import PIPELINE, encode

# The object fills 0.8 to 1 of the picture at every field of view, as it did in training.
LAW = CameraLaw(
    azimuth=(-pi, pi),
    elevation=(0.0, radians(30)),
    distance=(2.2, 2.75),
    fov=(radians(40), radians(40)),
    together=4,
)
Z_UP = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From our world (y up, front +z) to the model's (z up, front -y)."""


def camera_rows(views: Views) -> Tensor:
    """(V, 16): camera-to-world matrices in the model's world, centers on the unit sphere, row by row.

    Right, up, backward in both conventions, so only the world turns.
    """
    c2w = views.c2w
    center = c2w[:, :3, 3:]
    center = center / center.norm(dim=1, keepdim=True)
    turned = Z_UP.to(c2w) @ torch.cat([c2w[:, :3, :3], center], -1)
    return torch.cat([turned, c2w[:, 3:]], 1).flatten(1)


def bind(rows: Rows, views: Views) -> Mapping[str, Tensor]:
    """The empty prompt sees the camera too: guidance is toward the words alone."""
    return {"camera": camera_rows(views).to(rows.tensors["text"])}


def evaluate(network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
    camera = rows.tensors.get("camera")
    if camera is None:
        raise ValueError("this teacher looks at views of known cameras: bind its prompts to views first (`cond.at`)")
    if len(x) % LAW.together:
        raise ValueError(f"this teacher looks at {LAW.together} views together, and {len(x)} is no multiple of that")
    return network(x, clock, rows.tensors["text"].to(x), class_labels=camera.to(x)).sample


class Joint:
    """Self-attention over all tokens of `views` neighbors in the batch; the library's own attention otherwise."""

    def __init__(self, views: int) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.views, self.each = views, AttnProcessor2_0()

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **options: Any
    ) -> Tensor:
        if encoder_hidden_states is not None:
            return self.each(attn, hidden_states, encoder_hidden_states, **options)
        joint = hidden_states.unflatten(0, (-1, self.views)).flatten(1, 2)
        return self.each(attn, joint, None, **options).unflatten(1, (self.views, -1)).flatten(0, 1)


@dataclass(frozen=True)
class Published:
    """The U-Net's `config.json` in the words of its authors, and what it is called in the library."""

    said: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """Of diffusers' `UNet2DConditionModel`; its projected class embedding has the structure of the camera's.

        KeyError or ValueError where the network is of another sort.
        """
        said = self.said
        if said.get("ip_dim"):
            raise ValueError("it wants a picture beside the prompt (ImageDream), which is not supported")
        widths = [said["model_channels"] * m for m in said["channel_mult"]]
        attends = [2**level in said["attention_resolutions"] for level in range(len(widths))]
        each = said.get("num_head_channels", -1)
        heads = [w // each if each > 0 else said["num_heads"] for w in widths]
        return {
            "sample_size": said["image_size"],
            "in_channels": said["in_channels"],
            "out_channels": said["out_channels"],
            "block_out_channels": tuple(widths),
            "layers_per_block": said["num_res_blocks"],
            "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
            "attention_head_dim": tuple(heads),  # the library's name for their number
            "cross_attention_dim": said["context_dim"],
            "transformer_layers_per_block": said.get("transformer_depth", 1),
            "use_linear_projection": True,
            "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": said["camera_dim"],
        }


def read_network(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The published weights in the library's U-Net; on the meta device without them. ValueError, in one line, where
    they do not fit."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        settings = Published(said).settings()
        with device:
            network: Any = UNet2DConditionModel(**settings)
        if device.type != "meta":
            weights: dict[str, Tensor] = {}
            for path in sorted(folder.glob("*.safetensors")):
                weights |= load_file(path)
            renamed = {name.replace("camera_embed.", "label_emb.0."): value for name, value in weights.items()}
            prefixed = {f"model.diffusion_model.{name}": value for name, value in renamed.items()}
            network.load_state_dict(convert_ldm_unet_checkpoint(prefixed, settings))
        with quiet():
            network.to(dtype)
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder} cannot be loaded: {' '.join(str(error).split())[:200]}") from error
    return network.requires_grad_(False).eval()


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    text = torch.empty(count, 77, network.config.cross_attention_dim)
    return Rows({"text": text, "camera": torch.empty(count, 16)})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    folder = getattr(parts, "folder", None)
    if folder is not None and parts.index["unet"][0] != "diffusers":
        network = read_network(folder / "unet", parts.dtype, parts.device)
    else:
        network = parts.part("unet")
    joint = {name: Joint(LAW.together) for name in network.attn_processors}
    network.set_attn_processor(joint)
    vae = tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, codec.shape[0], parts)
    book = parts.book(encode, PIPELINE, bind=bind)
    process = read_process(parts.part("scheduler"))
    if parts.loading.attention_slicing:
        raise ValueError("attention over joint views cannot be sliced; leave --attention-slicing out")
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, evaluate, process, codec, book.embed, book.close, parts.dtype, LAW)
