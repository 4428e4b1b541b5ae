"""A feature field inside a denoiser: what the prompt names, placed in space and seen from the asked-for camera.

Every kind of thing is a small learned volume of density, parts, normals and features in a frame of its own, every
pattern one of the world; a small network places things, and volume rendering makes maps of them for the U-Net to
finish (compositional feature fields: GIRAFFE, Niemeyer & Geiger 2021, 2011.12100; as volumes: DVGO, Sun et al. 2022,
2111.11215; inside a diffusion model: GeNVS, Chan et al. 2023, 2304.02602). The camera need not be learned: it is
geometry.

Dims: b pictures, n things (of all pictures), R side of the maps, H rays that meet the unit ball, K samples on a ray.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guidance.networks.rays import ball_chords, camera_rays

THINGS, PAINTS = 2, 4  # things of a picture; color groups of a thing: its slots and the second color of its pattern
GROUPS = THINGS * PAINTS
EDGE = 0.9  # half side of the box in a thing's own frame past which there is nothing of it
AXES, CODES = 3, 6  # of stripes; patterns as volumes: none, stripes across either axis, checkered, spotted
MIDDLE = 3.0  # depths are told from here, about where the origin is
LOUD = 4.0  # of what volumes hold, in densities and patterns
DENSE = 2.5
AMBIENT, DIFFUSE = 0.45, 0.55  # the project's one light, at the camera
LEAST = 1e-6  # optical depth of a sample, against 0 / 0


@dataclass(frozen=True)
class Maps:
    """What the rays see. features (b, F, R, R), head-lit coverage (b, GROUPS, R, R) of the color groups, opacity and
    depth (b, 1, R, R); all zero where nothing is."""

    features: Tensor
    coverage: Tensor
    opacity: Tensor
    depth: Tensor

    def stacked(self) -> Tensor:
        return torch.cat([self.features, self.coverage, self.opacity, self.depth], 1)


@dataclass(frozen=True)
class FieldSize:
    """Shape of a `FeatureField`: cells along an axis of a thing's volume and of a pattern's, features beyond density,
    parts and normals, side of the maps in cells, and samples on a ray."""

    cells: int = 20
    pattern_cells: int = 32
    extra: int = 2
    side: int = 32
    samples: int = 14

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} of the field must be at least 1, got {value}")

    @property
    def features(self) -> int:
        """Features of the maps: normals, and what else the volumes hold."""
        return 3 + self.extra


class FeatureField(nn.Module):
    """Numbers of kinds, relations and patterns, and places -> `Maps` (module docstring)."""

    def __init__(self, kinds: int, relations: int, size: FieldSize) -> None:
        super().__init__()
        self.size, slots = size, PAINTS - 1
        self.volumes = nn.Parameter(torch.zeros(kinds, 1 + slots + size.features, size.cells**3))
        nn.init.constant_(self.volumes[:, :1], -0.3)
        self.patterns = nn.Parameter(torch.zeros(CODES - 1, 1, size.pattern_cells**3))
        self.stripes = nn.Parameter(torch.zeros(kinds, 1 + relations, AXES))
        nn.init.constant_(self.stripes[..., 1], 1.0)  # bands are level, as a rule

    def forward(self, told: Tensor, place: Tensor, present: Tensor, camera: Tensor) -> Maps:
        """told (b, 2, 3) int64: kind, relation and pattern of either thing; place (b, 2, 4): log scale and center,
        present (b, 2) bool, camera rows (b, 4)."""
        origin, direction = camera_rays(camera, self.size.side)
        direction = F.normalize(direction.flatten(1, 2), dim=-1)
        near, length = ball_chords(origin, direction)
        rays = (present.any(1)[:, None] & (length > 0)).any(0).nonzero()[:, 0]  # that something may stand on
        if not len(rays):
            return self._maps(place.new_zeros(len(place), self.size.features + GROUPS + 2, 0), rays)
        direction, near, length = direction[:, rays], near[:, rays, None], length[:, rays, None]
        share = (torch.arange(self.size.samples, device=place.device) + 0.5) / self.size.samples
        t = near + share * length  # (b, H, K)
        points = origin[:, None, None] + t[..., None] * direction[:, :, None]
        owner = present.nonzero()  # (n, 2): picture, and which of its things
        picture = owner[:, 0]
        density, answers = self._things(told[*owner.T], place[*owner.T], points[picture], direction[picture])
        weights = march(density * (length / self.size.samples)[picture], picture, len(place))
        found = torch.einsum("nhk,nhkc->nhc", weights, answers)
        reach = (weights * (t - MIDDLE)[picture]).sum(-1)
        return self._maps(self._gathered(owner, found, weights.sum(-1), reach, like=place), rays)

    def _gathered(self, owner: Tensor, found: Tensor, opacity: Tensor, depth: Tensor, *, like: Tensor) -> Tensor:
        """What n things show on H rays, found (n, H, PAINTS + features), opacity and depth (n, H), as the channels of
        their pictures' `Maps` (b, channels, H): color groups of a thing in places of its own, the rest summed."""
        b, h = len(like), found.shape[1]

        def into(rows: int, row: Tensor, values: Tensor) -> Tensor:
            return like.new_zeros(rows, values.shape[2], h).index_add(0, row, values.mT.to(like))

        picture, which = owner.unbind(1)
        coverage = into(b * THINGS, picture * THINGS + which, found[..., :PAINTS]).view(b, GROUPS, h)
        features = into(b, picture, found[..., PAINTS:])
        return torch.cat([features, coverage, into(b, picture, torch.stack([opacity, depth], -1))], 1)

    def _maps(self, shown: Tensor, rays: Tensor) -> Maps:
        """Channels (b, channels, H) of the numbered rays as maps; the other rays see nothing."""
        side = self.size.side
        whole = shown.new_zeros(*shown.shape[:2], side**2).index_copy(2, rays, shown)
        return Maps(*torch.split(whole.view(*shown.shape[:2], side, side), [self.size.features, GROUPS, 1, 1], 1))

    def _things(self, told: Tensor, place: Tensor, points: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Of n things at points (n, H, K, 3) seen along (n, H, 3): density (n, H, K), and lit shares of color groups
        before features (n, H, K, PAINTS + features)."""
        around = points - place[:, None, None, 1:]
        local = around * (-place[:, None, None, :1]).exp()
        found = sampled(self.volumes[told[:, 0]], local / EDGE)
        density, slots, normal, extra = torch.split(found, [1, PAINTS - 1, 3, self.size.extra], -1)
        inside = local.abs().amax(-1) < EDGE
        density = F.softplus(density[..., 0] * LOUD) * inside * DENSE
        normal = normal + F.normalize(local, dim=-1)
        lit = AMBIENT + DIFFUSE * -(normal * direction[:, :, None]).sum(-1, keepdim=True).clamp(-1, 0)
        slots = slots.softmax(-1)
        second = slots[..., :1] * self._second(told, around)
        groups = torch.cat([slots[..., :1] - second, slots[..., 1:], second], -1) * lit
        return density, torch.cat([groups, normal, extra], -1)

    def _second(self, told: Tensor, around: Tensor) -> Tensor:
        """Share of the main slot that shows the pattern's second color, (n, H, K, 1)."""
        shown = around.new_zeros(*around.shape[:-1], 1)
        rows = (told[:, 2] > 0).nonzero()[:, 0]
        if not len(rows):
            return shown
        kind, relation, pattern = told[rows].unbind(1)
        axes = self.stripes[kind, relation].softmax(-1)
        bands = torch.einsum("na,acv->ncv", axes, self.patterns[:AXES])
        others = self.patterns[(pattern + AXES - 2).clamp_min(0)]  # striped is 1, checkered 2, spotted 3
        volume = torch.where((pattern == 1)[:, None, None], bands, others)
        return shown.index_copy(0, rows, (sampled(volume, around[rows]) * LOUD).sigmoid().to(shown))


def sampled(volume: Tensor, points: Tensor) -> Tensor:
    """Volumes (n, c, D^3) over [-1, 1]^3, read trilinearly at points (n, H, K, 3): (n, H, K, c)."""
    side = round(volume.shape[-1] ** (1 / 3))
    cube = volume.reshape(*volume.shape[:2], side, side, side)
    found = F.grid_sample(cube, points[:, None], padding_mode="border", align_corners=False)
    return found[:, :, 0].movedim(1, -1)


def full(x: Tensor) -> Tensor:
    """In float32 at least, where autocast gives less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def march(optical: Tensor, picture: Tensor, pictures: int) -> Tensor:
    """Weights (n, H, K) of n things with optical depths (n, H, K) of the samples on a ray, front to back: the light
    that reaches a sample, times what the things of that picture stop there, in proportion to their optical depths."""
    total = optical.new_zeros(pictures, *optical.shape[1:]).index_add(0, picture, optical)
    through = (-(total.cumsum(-1) - total)).exp()
    stopped = through * -torch.expm1(-total) / total.clamp_min(LEAST)
    return stopped[picture] * optical
