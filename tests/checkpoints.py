"""Tiny diffusers pipelines with random weights, built with the library's own classes and saved as people publish them.

Pictures have 32 pixels, latents 16; texts have at most 30 letters of a vocabulary that needs no download. Every builder
is called at most once a session.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors.torch import save_file

from tests.multiview_unet import MultiViewUNet

LETTERS = [chr(c) for c in range(97, 123)] + list("0123456789.,-'\"")
LENGTH = 32
DIT_LABELS = {0: "tench, Tinca tinca", 1: "goldfish"}
NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({w: i for i, w in enumerate(words)}, [], model_max_length=LENGTH)


def t5_tokenizer() -> Any:
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    return T5TokenizerFast(pieces, extra_ids=0, model_max_length=LENGTH)


def clip_text(width: int = 16, *, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    end = 2 * len(LETTERS) + 1
    config = CLIPTextConfig(
        vocab_size=end + 1,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=width,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def t5_text(width: int = 16) -> Any:
    from transformers import T5Config, T5EncoderModel

    size = {"d_model": width, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=4 + len(LETTERS), **size)).eval()


def vae(**settings: Any) -> Any:
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    size = {"block_out_channels": (8, 16), "norm_num_groups": 4, "sample_size": 32}
    return AutoencoderKL(**{**blocks, **size, **settings}).eval()


def unet(**settings: Any) -> Any:
    from diffusers import UNet2DConditionModel

    size = {
        "sample_size": 16,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 8,
        "cross_attention_dim": 16,
        "use_linear_projection": True,
    }
    return UNet2DConditionModel(**{**size, **settings}).eval()


def ddim(**settings: Any) -> Any:
    from diffusers import DDIMScheduler

    usual = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    return DDIMScheduler(**{**usual, "clip_sample": False, "set_alpha_to_one": False, **settings})


def stable_diffusion() -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=vae(), text_encoder=clip_text(), tokenizer=clip_tokenizer(), unet=unet(), scheduler=ddim(), **NO_CHECKER
    )


def latent_consistency() -> Any:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    scheduler = LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
    network = unet(time_cond_proj_dim=32)
    words = {"text_encoder": clip_text(), "tokenizer": clip_tokenizer()}
    return LatentConsistencyModelPipeline(vae=vae(), unet=network, scheduler=scheduler, **words, **NO_CHECKER)


def sdxl() -> Any:
    from diffusers import StableDiffusionXLPipeline

    network = unet(
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        transformer_layers_per_block=(1, 2),
    )
    return StableDiffusionXLPipeline(
        vae=vae(scaling_factor=0.13025, force_upcast=True),
        text_encoder=clip_text(),
        text_encoder_2=clip_text(projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=network,
        scheduler=ddim(),
        add_watermarker=False,
    )


def stable_diffusion3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    network = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    ).eval()
    return StableDiffusion3Pipeline(
        transformer=network,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text(projected=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(projected=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_text(32),
        tokenizer_3=t5_tokenizer(),
    )


def flux(*, guidance_embeds: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    network = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance_embeds,
    ).eval()
    return FluxPipeline(
        transformer=network,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_text(16),
        tokenizer_2=t5_tokenizer(),
    )


def deepfloyd() -> Any:
    from diffusers import DDPMScheduler, IFPipeline

    network = unet(sample_size=32, in_channels=3, out_channels=6, encoder_hid_dim=16, cross_attention_dim=24)
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True)
    words = {"tokenizer": t5_tokenizer(), "text_encoder": t5_text()}
    return IFPipeline(unet=network, scheduler=scheduler, watermarker=None, **words, **NO_CHECKER)


def ddpm() -> Any:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    network = UNet2DModel(
        sample_size=32,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        add_attention=False,
    ).eval()
    return DDPMPipeline(network, DDPMScheduler(clip_sample=False))


def dit() -> Any:
    from diffusers import DiTPipeline, DiTTransformer2DModel

    network = DiTTransformer2DModel(
        sample_size=16,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_embeds_ada_norm=1000,
    ).eval()
    scheduler = ddim(beta_schedule="linear", beta_start=1e-4, beta_end=0.02)
    return DiTPipeline(network, vae(), scheduler, id2label=DIT_LABELS)


def save_mvdream(folder: Path) -> None:
    """As published: the parts of Stable Diffusion, and a U-Net with the names and the settings of its authors."""
    pipe = stable_diffusion()
    for name in ("vae", "text_encoder", "tokenizer", "scheduler"):
        getattr(pipe, name).save_pretrained(folder / name)
    network = MultiViewUNet()
    (folder / "unet").mkdir()
    save_file(network.state_dict(), folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "unet" / "config.json").write_text(json.dumps(MultiViewUNet.CONFIG))
    parts = {name: [library, kind] for name, library, kind in MVDREAM_PARTS}
    _index(folder, "MVDreamPipeline", parts | {"feature_extractor": [None, None], "image_encoder": [None, None]})


MVDREAM_PARTS = (
    ("vae", "diffusers", "AutoencoderKL"),
    ("unet", "mv_unet", "MultiViewUNetModel"),
    ("tokenizer", "transformers", "CLIPTokenizer"),
    ("text_encoder", "transformers", "CLIPTextModel"),
    ("scheduler", "diffusers", "DDIMScheduler"),
)


def save_zero123(folder: Path) -> None:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    look = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPVisionConfig(**look, image_size=224, patch_size=56, projection_dim=16)
    vae().save_pretrained(folder / "vae")
    unet(in_channels=8).save_pretrained(folder / "unet")
    ddim().save_pretrained(folder / "scheduler")
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    CLIPImageProcessor().save_pretrained(folder / "feature_extractor")
    (folder / "cc_projection").mkdir()
    bridge = {f"projection.{name}": value for name, value in torch.nn.Linear(20, 16).state_dict().items()}
    save_file(bridge, folder / "cc_projection" / "diffusion_pytorch_model.safetensors")
    size = {"_class_name": "CCProjection", "in_channel": 20, "out_channel": 16}
    (folder / "cc_projection" / "config.json").write_text(json.dumps(size))
    parts = {
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "cc_projection": ["pipeline_zero1to3", "CCProjection"],
        "safety_checker": [None, None],
    }
    _index(folder, "Zero1to3StableDiffusionPipeline", parts)


def _index(folder: Path, kind: str, parts: dict[str, list[str | None]]) -> None:
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **parts}))


PIPELINES: dict[str, Callable[[], Any]] = {
    "stable_diffusion": stable_diffusion,
    "latent_consistency": latent_consistency,
    "sdxl": sdxl,
    "stable_diffusion3": stable_diffusion3,
    "flux": flux,
    "deepfloyd": deepfloyd,
    "ddpm": ddpm,
    "dit": dit,
}
SAVED: dict[str, Callable[[Path], None]] = {"mvdream": save_mvdream, "zero123": save_zero123}


@cache
def checkpoint(name: str) -> Path:
    """The folder of the tiny checkpoint called `name`; do not write into it (`copied` is for that)."""
    folder = Path(mkdtemp(prefix=f"{name}-"))
    torch.manual_seed(len(name))  # the only generator that weights are drawn from
    if name in SAVED:
        SAVED[name](folder)
    else:
        PIPELINES[name]().save_pretrained(folder)
    if name == "dit":  # published folders name the classes there; the library reads but does not write them
        index = json.loads((folder / "model_index.json").read_text())
        index["id2label"] = {str(number): names for number, names in DIT_LABELS.items()}
        (folder / "model_index.json").write_text(json.dumps(index))
    return folder
