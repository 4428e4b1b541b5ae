"""From pictures to what the network of a diffusion checkpoint sees, and back: through a VAE, or pixels as they are."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Codec(Protocol):
    """shape: (C, H, W) of what the network sees. encode is differentiable; both as in `guidance.teacher.Teacher`."""

    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def side(self) -> int:
        """Of the pictures, in pixels."""
        ...

    def encode(self, images: Tensor, /) -> Tensor: ...
    def decode(self, latents: Tensor, /) -> Tensor: ...


def resized(images: Tensor, side: int) -> Tensor:
    if images.shape[-2:] == (side, side):
        return images
    return torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)


@dataclass(frozen=True)
class Pixels:
    """RGB in [-1, 1]."""

    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, self.side, self.side

    def encode(self, images: Tensor) -> Tensor:
        return resized(images, self.side) * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Latents:
    """The mean of a VAE's posterior, (z - center) * scale, with center and scale (1 or C) from the VAE's own config.

    The mean, not a draw from the posterior: the same picture has the same latents.
    """

    vae: Any
    shape: tuple[int, int, int]
    center: Tensor
    scale: Tensor

    @property
    def side(self) -> int:
        return self.shape[-1] * reduction(self.vae)

    def encode(self, images: Tensor) -> Tensor:
        pictures = resized(images, self.side) * 2 - 1
        raw = self.vae.encode(pictures.to(self.vae.dtype)).latent_dist.mode()
        return (raw.to(images.dtype) - self.center.to(images)) * self.scale.to(images)

    def decode(self, latents: Tensor) -> Tensor:
        raw = latents / self.scale.to(latents) + self.center.to(latents)
        pictures = self.vae.decode(raw.to(self.vae.dtype)).sample
        return ((pictures.to(latents.dtype) + 1) / 2).clamp(0, 1)


def reduction(vae: Any) -> int:
    """Pixels along a side that become one latent."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def latents_of(vae: Any, side: int) -> Latents:
    """The codec of a VAE for pictures of `side` pixels. ValueError where the VAE cannot halve them often enough."""
    factor, config = reduction(vae), vae.config
    if side % factor:
        raise ValueError(f"this checkpoint's VAE wants pictures whose side is a multiple of {factor}, got {side}")
    center = config.get("latents_mean") or [config.get("shift_factor") or 0.0]
    spread = torch.tensor(config.get("latents_std") or [1.0])
    columns = (torch.tensor(center), config.scaling_factor / spread)
    shape = (config.latent_channels, side // factor, side // factor)
    return Latents(vae, shape, *(column.float().view(1, -1, 1, 1) for column in columns))
