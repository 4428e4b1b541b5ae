"""How a user's checkpoint is opened: the settings, as flags. Needs no torch."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Loading:
    """How to open a diffusion checkpoint. Teachers that are no such checkpoint heed `device` alone.

    Attributes:
        device: where to compute; auto takes a GPU where there is one.
        dtype: precision of the checkpoint; auto is 16 bits on a GPU and 32 elsewhere.
        offline: never look for a hub id on the net.
        teacher_pixels: side of the pictures the teacher looks at; 0 is the checkpoint's own.
        embedded_guidance: guidance scale told to checkpoints that take it as an input (Flux, latent consistency);
            0 is the family's own.
        elevation_deg: elevation of the camera of a picture given as a prompt.
        attention_slicing: attention in slices: less memory, slower.
        vae_tiling: encode pictures in tiles: less memory, slower.
        offload: keep the network in main memory and bring it to the GPU layer by layer: least memory, slowest.
        text_encoder: precision of the text encoders; 8bit and 4bit need bitsandbytes and a GPU.
        allow_pickle: load weights that are pickles, which can run code; only from people you trust.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    offline: bool = False
    teacher_pixels: int = 0
    embedded_guidance: float = 0.0
    elevation_deg: float = 0.0
    attention_slicing: bool = False
    vae_tiling: bool = False
    offload: bool = False
    text_encoder: Literal["full", "8bit", "4bit"] = "full"
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if self.teacher_pixels < 0:
            raise ValueError(
                f"teacher_pixels must be positive, or 0 for the checkpoint's own, got {self.teacher_pixels}"
            )
        if not 0 <= self.embedded_guidance < 1e4:
            raise ValueError(f"embedded_guidance must be between 0 and 10000, got {self.embedded_guidance}")
        if not -90 <= self.elevation_deg <= 90:
            raise ValueError(f"elevation_deg must be between -90 and 90, got {self.elevation_deg}")


USUAL = Loading()


def cache_folder() -> Path:
    """Where embedded prompts are kept: SCORELIFT_CACHE, or the user's own cache folder."""
    named = os.environ.get("SCORELIFT_CACHE")
    if named:
        return Path(named).expanduser()
    local = {"win32": os.environ.get("LOCALAPPDATA"), "darwin": "~/Library/Caches"}.get(sys.platform)
    return Path(os.environ.get("XDG_CACHE_HOME") or local or "~/.cache").expanduser() / "scorelift"
