"""A head that knows how far a U-Net's answer is off, element by element (Bao et al. 2022, 2206.07309, section 4).

It reads the features of a trained network that stays as it is, so that a prediction and its variance are one call.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guidance.networks.unet import Block, UNetSize


class VarianceNet(nn.Module):
    """(features (b, fine, 16, 16), condition (b, width)) -> a positive number for every element, (b, C, S, S).

    What it stands for is the mean square, given what the network sees, of the network's target (SN) or of what the
    target is off its answer (NPR); in the units of the raw output, which are about 1 at every noise level.
    """

    def __init__(self, size: UNetSize) -> None:
        super().__init__()
        fine, self.patch = size.levels[0], size.side // 16
        # torch (2.13) crashes in the backward of a channels-last group norm whose input needs no gradient, as frozen
        # features do; behind a convolution it does.
        self.stem = nn.Conv2d(fine, fine, 1)
        self.block = Block(fine, size.width)
        self.norm = nn.GroupNorm(fine // 16, fine)
        self.out = nn.Conv2d(fine, size.channels * self.patch**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        if self.out.bias is not None:
            nn.init.constant_(self.out.bias, -2.0)  # a fresh head says 0.13 everywhere

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        h = F.silu(self.norm(self.block(self.stem(features), condition)))
        return F.softplus(F.pixel_shuffle(self.out(h), self.patch))


def build_variance(size: UNetSize) -> VarianceNet:
    """A fresh head in the layout of the network that it reads."""
    net = VarianceNet(size)
    return net.to(memory_format=torch.channels_last)  # pyright: ignore (torch's stub lacks it)
