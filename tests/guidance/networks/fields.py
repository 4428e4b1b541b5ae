"""Feature fields whose pictures are known, and the geometry that says so."""

import math

import torch
from torch import Tensor

from guidance.networks.feature_field import EDGE, PAINTS, FeatureField, FieldSize
from guidance.networks.rays import camera_rays
from nerf.cameras import Cameras

KINDS, RELATIONS, SIDE = 3, 2, 16
TINY = FieldSize(cells=6, pattern_cells=8, extra=2, side=SIDE, samples=6)
HERE = (0.0, 0.0, 0.0, 0.0)
EVERYWHERE = (0.5, 0.0, 0.0, 0.0)  # its box holds the unit ball
FIRST = torch.tensor([[True, False]])
PLAIN = torch.tensor([[[0, 0, 0], [0, 0, 0]]])  # two things of the first kind
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)  # of the slots of `homogeneous`
STRIPED, CHECKERED, SPOTTED = 1, 2, 3  # numbers of patterns


def field(size: FieldSize = TINY, seed: int = 0) -> FeatureField:
    """A field full of noise in float64, for comparisons to many digits."""
    net = FeatureField(KINDS, RELATIONS, size).requires_grad_(False).double()
    rng = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.copy_(0.7 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    return net


def homogeneous(samples: int, density: float, camera: Tensor | None = None) -> FeatureField:
    """Of one density inside a thing's box, of half side EDGE in its own frame; its slots have SHARES. With a camera,
    all normals point to it so loudly that nothing is shaded."""
    net = field(FieldSize(cells=6, pattern_cells=8, extra=2, side=SIDE, samples=samples))
    net.volumes.zero_()
    net.volumes[:, 0] = math.log(math.expm1(density / 2.5)) / 4
    net.volumes[:, 1:PAINTS] = SHARES.log()[:, None]
    if camera is not None:
        net.volumes[:, PAINTS : PAINTS + 3] = 50 * camera_rays(camera, 1)[0][0, :, None]
    return net


def rows(*numbers: tuple[float, ...]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def places(*things: tuple[float, ...]) -> Tensor:
    """Of one picture, (1, 2, 4)."""
    return rows(*things)[None]


def world_rays(camera: Tensor, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """The renderer's rays, (b, side, side, 3) each."""
    return Cameras(*camera.T).rays(side)


def entry_and_chord(camera: Tensor, place: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Where the renderer's rays enter a thing's box inside the unit ball and how far they go in it, (b, side, side)
    each: the slabs of the box, and the distance of a line from the origin."""
    scale, *center = place
    origin, direction = world_rays(camera)
    middle = -(origin * direction).sum(-1)
    half = (1 - torch.linalg.cross(origin, direction).square().sum(-1)).clamp_min(0).sqrt()
    sides = EDGE * math.exp(scale) * torch.tensor([[-1.0], [1.0]]).double() + torch.tensor(center).double()
    slabs = (sides[:, None, None, None] - origin) / direction
    low, high = slabs.amin(0).amax(-1), slabs.amax(0).amin(-1)
    enters = torch.maximum(low, middle - half)
    return enters, (torch.minimum(high, middle + half) - enters).clamp_min(0)


def covered(density: float, camera: Tensor, *place: float) -> Tensor:
    return -torch.expm1(-density * entry_and_chord(camera, place)[1])


def centers(cells: int) -> Tensor:
    """Of the cells of a volume over [-1, 1]^3 in the order of its numbers, (cells^3, 3) as x, y, z: x runs fastest."""
    along = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * 2 - 1
    return torch.cartesian_prod(along, along, along).flip(-1)
