"""The embedded teacher's network: a feature field says what stands where, a U-Net finishes the picture.

The picture is put together from layers, since the catalog's pictures are: coverage of every color group times the
color that the prompt gives it, over a solid background. The field's maps give the layers coarsely, the U-Net corrects
them and adds what no layer holds; the background is the posterior mean of the noisy picture's own, in closed form.

Dims: b pictures, S side, R side of the field's maps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guidance.networks.feature_field import GROUPS, THINGS, FeatureField, Maps, full
from guidance.networks.text import SlotText
from guidance.networks.unet import GRID, UNet, UNetSize
from guidance.vocabulary import RELATIONS

BACKGROUND_VARIANCE = 1 / 3  # of a uniform color in [-1, 1]
# Where a search for the places of things starts: log scale and center, by relation (none, on, next to) and thing.
PLACES = (
    ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
    ((-0.7, 0.0, 0.4, 0.0), (-0.7, 0.0, -0.4, 0.0)),
    ((-0.7, -0.4, 0.0, 0.0), (-0.7, 0.4, 0.0, 0.0)),
)


class Placement(nn.Module):
    """Where things stand: kinds (b, 2) and relation (b,), int64 -> log scale and center of either, (b, 2, 4)."""

    def __init__(self, kinds: int, width: int) -> None:
        super().__init__()
        self.own, self.other = nn.Embedding(kinds + 1, width), nn.Embedding(kinds + 1, width)
        self.relation = nn.Embedding(len(PLACES) * THINGS, width)
        self.start = nn.Parameter(torch.tensor(PLACES))
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, 4))
        for parameter in self.net[3].parameters():
            nn.init.zeros_(parameter)

    def forward(self, kinds: Tensor, relation: Tensor) -> Tensor:
        which = torch.arange(THINGS, device=kinds.device)
        told = self.own(kinds) + self.other(kinds.flip(1)) + self.relation(relation[:, None] * THINGS + which)
        return self.start[relation] + self.net(told)


class SceneUNet(nn.Module):
    """(x (b, C, S, S), noise level (b,), text rows (b, r), camera rows (b, 4)) -> (b, C, S, S): what the picture is
    before the noisy one is looked at, pixel by pixel (`Preconditioner`'s "posterior" form).

    x is scaled to unit variance for data of standard deviation `data_std`; the noise level is the half log-SNR.
    """

    def __init__(self, size: UNetSize, text: SlotText, *, data_std: float = 0.5, prior_std: float = 0.1) -> None:
        super().__init__()
        self.data_std, self.prior_std = data_std, prior_std
        self.field = FeatureField(text.kinds, len(RELATIONS), size.field)
        self.fold = size.field.side // GRID
        maps = size.field.features + GROUPS + 2 + size.channels
        self.unet = UNet(size, text, extra=maps * self.fold**2, out=GROUPS + 1 + size.channels)
        self.place = Placement(text.kinds, size.text)

    @property
    def text(self) -> SlotText:
        assert isinstance(self.unet.text, SlotText)
        return self.unet.text

    @property
    def size(self) -> UNetSize:
        return self.unet.size

    def forward(self, x: Tensor, level: Tensor, text: Tensor, camera: Tensor, maps: Maps | None = None) -> Tensor:
        return self.answered(x, level, text, camera, maps)[0]

    def answered(
        self, x: Tensor, level: Tensor, text: Tensor, camera: Tensor, maps: Maps | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The answer, the U-Net's last features (b, fine, 16, 16), and its condition (b, width)."""
        maps = maps or self.maps(text, camera)
        paints = full(self.text.paints(text)) + 1  # over black, which is -1
        drawn = torch.einsum("bghw,bgc->bchw", maps.coverage, paints) - maps.opacity
        extra = F.pixel_unshuffle(torch.cat([maps.stacked(), drawn], 1), self.fold)
        corrections, features, condition = self.unet.answered(x, level, text, camera, extra.to(x))
        groups, opacity, rest = torch.split(full(corrections), [GROUPS, 1, x.shape[1]], 1)
        coarse = _enlarged(full(torch.cat([maps.coverage, maps.opacity], 1)), x.shape[-1])
        groups, opacity = groups + coarse[:, :GROUPS], opacity + coarse[:, GROUPS:]
        return self._composed(full(x), full(level), groups, opacity, rest, paints), features, condition

    def maps(self, text: Tensor, camera: Tensor) -> Maps:
        """What text rows (b, r) say is to be seen from camera rows (b, 4); nothing without a camera."""
        kinds, relation, patterns = self.text.places(text)
        present = self.text.present(text) & (camera[:, 2:3] > 0)
        told = torch.stack([kinds, relation[:, None].expand_as(kinds), patterns], -1)
        return self.field(told, self.place(kinds, relation), present, camera)

    def draft_error(self, maps: Maps, text: Tensor, x0: Tensor) -> Tensor:
        """Mean squared error, a scalar, of what the field alone draws of clean pictures x0 (b, C, S, S), over the
        background that fits best: it shows the field its pictures at once, where the U-Net would learn around it."""
        small = F.adaptive_avg_pool2d(x0, maps.opacity.shape[-1])
        front = torch.einsum("bghw,bgc->bchw", full(maps.coverage), full(self.text.paints(text)) + 1) - maps.opacity
        through = 1 - full(maps.opacity)
        along = ((small - front) * through).sum((2, 3), keepdim=True)
        background = along / (through.square().sum((2, 3), keepdim=True) + 1 / BACKGROUND_VARIANCE)
        return (front + through * background - small).square().mean()

    def _composed(
        self, x: Tensor, level: Tensor, groups: Tensor, opacity: Tensor, rest: Tensor, paints: Tensor
    ) -> Tensor:
        """Layers over the most probable background, and the rest, louder where there is little noise to subtract.

        x (b, C, S, S), level (b,), groups (b, GROUPS, S, S), opacity (b, 1, S, S), rest (b, C, S, S), paints
        (b, GROUPS, C) in [0, 2] -> (b, C, S, S).
        """
        level = level.clamp(-10, 10)[:, None, None, None]
        noise = torch.exp(-2 * level)  # variance of x_t / alpha around x0
        seen = x * (self.data_std**2 + noise).sqrt()
        front = torch.einsum("bghw,bgc->bchw", groups, paints) - opacity
        through = 1 - opacity
        along = ((seen - front) * through).sum((2, 3), keepdim=True)
        spread = noise + BACKGROUND_VARIANCE * through.square().sum((2, 3), keepdim=True)
        background = BACKGROUND_VARIANCE * along / spread
        return front + through * background + rest * (1 + self.prior_std**4 / noise).sqrt()


def _enlarged(maps: Tensor, side: int) -> Tensor:
    """Maps (b, c, R, R) at (b, c, side, side)."""
    return F.interpolate(maps, (side, side), mode="bilinear", antialias=side < maps.shape[-1])
