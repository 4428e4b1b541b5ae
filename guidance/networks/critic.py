"""A small network that tells noised pictures of two kinds apart, told the prompt and the camera like the U-Net."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guidance.networks.text import SlotText, WordText
from guidance.networks.unet import GRID, HARMONICS, RAYS, Block, UNetSize, camera_features, noise_features, ray_map


class Critic(nn.Module):
    """(x (b, C, S, S), noise level (b,), text rows (b, r), camera rows (b, 4)) -> logits (b,).

    The way down of a `UNet` of the same size, and one number at its bottom; a fresh critic answers 0. It is cheap
    enough to be differentiated at every step of a sampler.
    """

    def __init__(self, size: UNetSize, text: SlotText | WordText) -> None:
        super().__init__()
        self.size, self.text = size, text
        self.patch = size.side // GRID
        fine, mid, coarse = size.levels
        self.told = nn.Linear(3 * size.text + 2 * HARMONICS + 5, size.width)
        self.noise = nn.Sequential(nn.Linear(64, size.width), nn.SiLU(), nn.Linear(size.width, size.width))
        self.stem = nn.Conv2d(size.channels * self.patch**2 + RAYS, fine, 3, padding=1)
        self.down1, self.down2, self.bottom = (Block(level, size.width) for level in (fine, mid, coarse))
        self.widen1, self.widen2 = nn.Conv2d(fine, mid, 1), nn.Conv2d(mid, coarse, 1)
        self.head = nn.Linear(coarse + size.width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, level: Tensor, text: Tensor, camera: Tensor) -> Tensor:
        vector, _ = self.text(text)
        told = self.told(torch.cat([vector, camera_features(camera)], -1))
        condition = F.silu(told + self.noise(noise_features(level.clamp(-10, 10))))
        cells = torch.cat([F.pixel_unshuffle(x, self.patch), ray_map(camera)], 1)
        h = self.down1(self.stem(cells), condition)
        h = self.down2(self.widen1(F.avg_pool2d(h, 2)), condition)
        h = self.bottom(self.widen2(F.avg_pool2d(h, 2)), condition)
        return self.head(torch.cat([F.silu(h).mean((-2, -1)), condition], -1)).squeeze(-1)
