"""A small multi-view U-Net in plain torch, after the published architecture of MVDream (Shi et al. 2023, 2308.16512):
the names of its weights are those of the published folders, and it shares no line with what loads them."""

from math import log
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, width: int, out: int, time: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, width), nn.SiLU(), nn.Conv2d(width, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, out))
        last = nn.Conv2d(out, out, 3, padding=1)
        self.out_layers = nn.Sequential(nn.GroupNorm(32, out), nn.SiLU(), nn.Dropout(0.0), last)
        self.skip_connection = nn.Identity() if out == width else nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.skip_connection(x) + self.out_layers(self.in_layers(x) + self.emb_layers(emb)[:, :, None, None])


class Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.0))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = (f(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f, y in self._pairs(x, context))
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))

    def _pairs(self, x: Tensor, context: Tensor) -> tuple[tuple[nn.Linear, Tensor], ...]:
        return (self.to_q, x), (self.to_k, context), (self.to_v, context)


class Gated(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, -1)
        return value * nn.functional.gelu(gate)


class Block(nn.Module):
    """Self-attention sees the tokens of all views of a group at once; everything else is per view."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, context, heads)
        self.ff = nn.Module()
        self.ff.net = nn.Sequential(Gated(width, 4 * width), nn.Dropout(0.0), nn.Linear(4 * width, width))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor, views: int) -> Tensor:
        joint = x.reshape(-1, views * x.shape[1], x.shape[2])
        normed = self.norm1(joint)
        x = (joint + self.attn1(normed, normed)).reshape(x.shape)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff.net(self.norm3(x))


class Spatial(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([Block(width, context, heads)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, views: int) -> Tensor:
        y = self.proj_in(self.norm(x).flatten(2).mT)
        y = self.proj_out(self.transformer_blocks[0](y, context, views))
        return x + y.mT.reshape(x.shape)


class Down(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Up(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(nn.functional.interpolate(x, scale_factor=2, mode="nearest"))


class MultiViewUNet(nn.Module):
    """Two levels, attention on the lower one and in the middle. `CONFIG` is what the published folders call it."""

    CONFIG: ClassVar[dict[str, Any]] = {
        "image_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "num_res_blocks": 1,
        "attention_resolutions": [2],
        "channel_mult": [1, 2],
        "num_head_channels": 8,
        "transformer_depth": 1,
        "context_dim": 16,
        "camera_dim": 16,
        "use_linear_in_transformer": True,
        "use_checkpoint": False,
        "legacy": False,
    }

    def __init__(self) -> None:
        super().__init__()
        c, time, text = 32, 128, 16
        heads = 2 * c // 8
        self.time_embed = nn.Sequential(nn.Linear(c, time), nn.SiLU(), nn.Linear(time, time))
        self.camera_embed = nn.Sequential(nn.Linear(16, time), nn.SiLU(), nn.Linear(time, time))
        self.input_blocks = nn.ModuleList(
            [
                nn.ModuleList([nn.Conv2d(4, c, 3, padding=1)]),
                nn.ModuleList([Residual(c, c, time)]),
                nn.ModuleList([Down(c)]),
                nn.ModuleList([Residual(c, 2 * c, time), Spatial(2 * c, text, heads)]),
            ]
        )
        middle = [Residual(2 * c, 2 * c, time), Spatial(2 * c, text, heads), Residual(2 * c, 2 * c, time)]
        self.middle_block = nn.ModuleList(middle)
        self.output_blocks = nn.ModuleList(
            [
                nn.ModuleList([Residual(4 * c, 2 * c, time), Spatial(2 * c, text, heads)]),
                nn.ModuleList([Residual(3 * c, 2 * c, time), Spatial(2 * c, text, heads), Up(2 * c)]),
                nn.ModuleList([Residual(3 * c, c, time)]),
                nn.ModuleList([Residual(2 * c, c, time)]),
            ]
        )
        self.out = nn.Sequential(nn.GroupNorm(32, c), nn.SiLU(), nn.Conv2d(c, 4, 3, padding=1))

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, camera: Tensor, views: int) -> Tensor:
        """x (groups * views, 4, H, W), timesteps (n,), context (n, L, 16), camera (n, 16)."""
        frequencies = (-log(10_000) / 16 * torch.arange(16)).exp()
        angles = timesteps[:, None].float() * frequencies
        emb = self.time_embed(torch.cat([angles.cos(), angles.sin()], -1)) + self.camera_embed(camera)

        def through(layers: Any, h: Tensor) -> Tensor:
            for layer in layers:
                if isinstance(layer, Residual):
                    h = layer(h, emb)
                else:
                    h = layer(h, context, views) if isinstance(layer, Spatial) else layer(h)
            return h

        kept = []
        for layers in self.input_blocks:
            x = through(layers, x)
            kept.append(x)
        x = through(self.middle_block, x)
        for layers in self.output_blocks:
            x = through(layers, torch.cat([x, kept.pop()], 1))
        return self.out(x)
