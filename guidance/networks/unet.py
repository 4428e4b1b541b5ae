"""A small U-Net whose pictures are told by text and camera, shaped for two CPU cores.

Pictures are unshuffled to a 16 x 16 grid, so that the cost does not depend on their resolution. Three things make it
follow the camera after few pictures: every cell sees its own world ray (Plücker coordinates, as light field networks
do); one vector made of text and camera together modulates every block (FiLM); and that vector also paints the 4 x 4
bottleneck directly, as a conditional generator would, since at high noise the layout has no other source. On the way
up every cell reads the tokens of the text, so that a part finds its own color.

Dims: b pictures, C channels, S side, c features.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guidance.networks.feature_field import FieldSize
from guidance.networks.rays import camera_rays
from guidance.networks.text import SlotText, WordText

GRID = 16
CAMERA = 4  # a camera row: azimuth, elevation, distance, fov (radians); distance 0 = no camera
HARMONICS = 4
HEAD = 16  # features of an attention head
RAYS = 6


@dataclass(frozen=True)
class UNetSize:
    """Shape of a `UNet`: picture channels and side (a multiple of 16), features per level, width of the condition and
    of the text, blocks at the bottleneck beyond two, and the field that a `SceneUNet` has under it."""

    channels: int = 3
    side: int = 64
    levels: tuple[int, int, int] = (96, 192, 256)
    width: int = 384
    text: int = 96
    middle: int = 1
    field: FieldSize = field(default_factory=FieldSize)

    def __post_init__(self) -> None:
        if self.side < GRID or self.side % GRID:
            raise ValueError(f"the picture side must be a multiple of {GRID}, got {self.side}")
        if any(level < 16 or level % 16 for level in self.levels):
            raise ValueError(f"features per level must be multiples of 16, got {self.levels}")
        if self.field.side % GRID:
            raise ValueError(f"the side of the field's maps must be a multiple of {GRID}, got {self.field.side}")


def camera_features(camera: Tensor) -> Tensor:
    """(b, 4) camera rows -> (b, 2 * HARMONICS + 5): harmonics of the azimuth, the elevation's, and presence."""
    azimuth, elevation, distance, _ = camera.unbind(-1)
    present = (distance > 0).to(camera.dtype)
    orders = torch.arange(1, HARMONICS + 1, device=camera.device, dtype=camera.dtype)
    around = azimuth[:, None] * orders
    up = elevation[:, None] * orders[:2]
    features = torch.cat([around.sin(), around.cos(), up.sin(), up.cos()], -1) * present[:, None]
    return torch.cat([features, present[:, None]], -1)


def ray_map(camera: Tensor) -> Tensor:
    """Plücker coordinates (direction, moment) of the 16 x 16 cell centers, (b, 6, 16, 16); zero without a camera."""
    origin, direction = camera_rays(camera, GRID)
    direction = F.normalize(direction.permute(0, 3, 1, 2).contiguous(), dim=1)
    moment = torch.cross(origin[..., None, None].expand_as(direction), direction, dim=1)
    return torch.cat([direction, moment], 1) * (camera[:, 2] > 0).to(camera.dtype)[:, None, None, None]


def noise_features(level: Tensor, count: int = 32) -> Tensor:
    """Sinusoids of a noise level (b,), about -10..10 (half log-SNR), (b, 2 * count)."""
    frequencies = torch.exp(torch.linspace(math.log(0.05), math.log(5.0), count, device=level.device))
    angle = level[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], -1)


def _silence(layer: nn.Conv2d) -> None:
    """Start from zero output, so that a fresh block is the identity and a fresh network answers 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Block(nn.Module):
    """Residual block: two 3x3 convolutions, the second one's normalization modulated by the condition."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(features // 16, features)
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.film = nn.Linear(width, 2 * features)
        self.norm2 = nn.GroupNorm(features // 16, features)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)
        _silence(self.conv2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(condition)[..., None, None].chunk(2, dim=1)
        return x + self.conv2(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale)))


class Reading(nn.Module):
    """Every cell attends to the tokens of the text: which slot am I a part of, and what color has it?"""

    def __init__(self, features: int, text: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(features // 16, features)
        self.query = nn.Conv2d(features, features, 1)
        self.key = nn.Linear(text, features)
        self.value = nn.Linear(text, features)
        self.out = nn.Conv2d(features, features, 1)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        query = self.query(self.norm(x))
        heads = x.shape[1] // HEAD

        def split(rows: Tensor) -> Tensor:
            return rows.reshape(*rows.shape[:-1], heads, HEAD).transpose(1, 2)

        cells = query.flatten(2).transpose(1, 2)
        found = F.scaled_dot_product_attention(split(cells), split(self.key(tokens)), split(self.value(tokens)))
        return x + self.out(found.transpose(2, 3).reshape(x.shape))


def _keep_variance(linear: nn.Linear) -> None:
    """Start a layer of the condition at full strength. With torch's default, differences between prompts and cameras
    shrink a hundredfold on their way through the layers, and the camera takes an order of magnitude longer to learn."""
    nn.init.normal_(linear.weight, std=(2 / linear.in_features) ** 0.5)
    nn.init.zeros_(linear.bias)


class UNet(nn.Module):
    """(x (b, C, S, S), noise level (b,), text rows (b, r), camera rows (b, 4)) -> (b, C, S, S).

    The noise level is the half log-SNR, clamped to +-10. `text` encodes rows into (b, 3 * size.text). Where it is told
    `extra` maps (b, extra, 16, 16), colors among them, it does not read tokens; `out` channels instead of C come out.
    """

    def __init__(self, size: UNetSize, text: SlotText | WordText, *, extra: int = 0, out: int | None = None) -> None:
        super().__init__()
        self.size, self.text = size, text
        self.patch = size.side // GRID
        fine, mid, coarse = size.levels
        picture = size.channels * self.patch**2
        answer = (size.channels if out is None else out) * self.patch**2
        self.eye = nn.Linear(2 * HARMONICS + 5, 2 * size.text)
        self.told = nn.Sequential(
            nn.Linear(5 * size.text, 2 * size.width),
            nn.SiLU(),
            nn.Linear(2 * size.width, 2 * size.width),
            nn.SiLU(),
            nn.Linear(2 * size.width, size.width),
        )
        self.noise = nn.Sequential(nn.Linear(64, size.width), nn.SiLU(), nn.Linear(size.width, size.width))
        self.paint = nn.Linear(size.width, coarse * (GRID // 4) ** 2)
        self.stem = nn.Conv2d(picture + RAYS + extra, fine, 3, padding=1)
        self.down1, self.down2 = Block(fine, size.width), Block(mid, size.width)
        self.widen1, self.widen2 = nn.Conv2d(fine, mid, 1), nn.Conv2d(mid, coarse, 1)
        self.middle = nn.ModuleList([Block(coarse, size.width) for _ in range(2 + size.middle)])
        self.narrow2, self.narrow1 = nn.Conv2d(coarse, mid, 1), nn.Conv2d(mid, fine, 1)
        self.up2, self.up1 = Block(mid, size.width), Block(fine, size.width)
        self.reads = nn.ModuleList([] if extra else [Reading(mid, size.text), Reading(fine, size.text)])
        self.norm = nn.GroupNorm(fine // 16, fine)
        self.head = nn.Conv2d(fine, answer, 3, padding=1)
        _silence(self.head)
        films = [module.film for module in self.modules() if isinstance(module, Block)]
        for layer in (self.eye, *self.told, *self.noise, self.paint, *films):
            if isinstance(layer, nn.Linear):
                _keep_variance(layer)

    def forward(self, x: Tensor, level: Tensor, text: Tensor, camera: Tensor, extra: Tensor | None = None) -> Tensor:
        return self.answered(x, level, text, camera, extra)[0]

    def answered(
        self, x: Tensor, level: Tensor, text: Tensor, camera: Tensor, extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The answer, the last features (b, fine, 16, 16), and the condition (b, width): text, camera, noise level."""
        vector, tokens = self.text(text)
        told = F.silu(self.told(torch.cat([vector, self.eye(camera_features(camera))], -1)))
        condition = F.silu(told + self.noise(noise_features(level.clamp(-10, 10))))
        given = [F.pixel_unshuffle(x, self.patch), ray_map(camera)]
        cells = torch.cat(given if extra is None else [*given, extra], 1)
        h1 = self.down1(self.stem(cells.contiguous(memory_format=torch.channels_last)), condition)
        h2 = self.down2(self.widen1(F.avg_pool2d(h1, 2)), condition)
        h3 = self.widen2(F.avg_pool2d(h2, 2))
        h3 = h3 + self.paint(told).view(*h3.shape)
        for block in self.middle:
            h3 = block(h3, condition)
        h2 = h2 + F.interpolate(self.narrow2(h3), scale_factor=2)
        h2 = self.up2(self.reads[0](h2, tokens) if self.reads else h2, condition)
        h1 = h1 + F.interpolate(self.narrow1(h2), scale_factor=2)
        h1 = self.up1(self.reads[1](h1, tokens) if self.reads else h1, condition)
        return F.pixel_shuffle(self.head(F.silu(self.norm(h1))), self.patch), h1, condition
