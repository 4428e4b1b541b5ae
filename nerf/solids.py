"""Solids: exact geometry built from signed-distance parts with color groups, and its plain-torch renderer.

A `Solids` is a union of convex parts and tori. Every part's distance function is zero exactly on its surface, negative
inside, and outside never larger than the true distance, so sphere tracing cannot step through a surface. (For a convex
gauge f this is the Newton bound f / |grad f|.) The catalog's ground truth is made of these, and so are the tests of
the fields. `nerf.backends.solids_numba` renders the same pictures several hundred times faster on a CPU.

Dims: B scenes, P parts, N points, V views, G color groups.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from nerf.cameras import Cameras
from nerf.patterns import PLAIN, shows_second

# Local axes: y is the axis of revolution or the vertical. `size` is:
ELLIPSOID = 0  # radii x, y, z
BOX = 1  # half sizes x, y, z
FRUSTUM = 2  # bottom radius, top radius, half height
TORUS = 3  # ring radius, tube radius, unused
DOME = 4  # radii x, y, z of the ellipsoid whose upper half (y >= 0) it is
WEDGE = 5  # half width x at the bottom, half height y, half depth z; the ridge runs along z
PYRAMID = 6  # half width x at the bottom, half height y, half depth z at the bottom
CAPSULE = 7  # radius, half length of the axis, unused
EMPTY = -1  # padding

AMBIENT, DIFFUSE = 0.45, 0.55  # the project's one light, at the camera
FAR = 1e3
TRACE_STEPS = 96
HIT = 2e-4


@dataclass(frozen=True)
class Solids:
    """Parts of one scene, or of B padded scenes with a leading dimension B on every field.

    kind (P,) int64, size (P, 3), center (P, 3), rotation (P, 3, 3) local-to-world, group (P,) int64 color group.
    pattern (P,) int64 of `nerf.patterns`, anchor (P, 3) the point it is fixed to, second (P,) int64 the color group
    that it shows beside `group`.
    """

    kind: Tensor
    size: Tensor
    center: Tensor
    rotation: Tensor
    group: Tensor
    pattern: Tensor
    anchor: Tensor
    second: Tensor

    @staticmethod
    def plain(kind: Tensor, size: Tensor, center: Tensor, rotation: Tensor, group: Tensor) -> "Solids":
        """Parts without a pattern."""
        return Solids(
            kind, size, center, rotation, group, torch.full_like(kind, PLAIN), torch.zeros_like(center), group
        )

    def only(self, mask: Tensor) -> "Solids":
        """The parts of an unbatched scene where `mask` (P,) holds."""
        return Solids(*(getattr(self, f.name)[mask] for f in fields(self)))

    def to(self, device: torch.device | str) -> "Solids":
        return Solids(*(getattr(self, f.name).to(device) for f in fields(self)))

    def moved(self, scale: float, shift: Tensor) -> "Solids":
        """Scaled about the origin, then shifted by (3,); patterns move along and keep their scale."""
        return replace(
            self,
            size=self.size * scale,
            center=self.center * scale + shift,
            anchor=self.anchor * scale + shift,
        )

    def distances(self, points: Tensor) -> Tensor:
        """Signed distance bound of every part, (..., N, P), at world points (..., N, 3)."""
        offset = points[..., :, None, :] - self.center[..., None, :, :]
        local = torch.einsum("...npi,...pij->...npj", offset, self.rotation)
        size = self.size[..., None, :, :].expand_as(local)
        kind = self.kind[..., None, :]
        out = torch.full(local.shape[:-1], FAR, dtype=points.dtype, device=points.device)
        for code, distance in DISTANCES.items():
            if bool((self.kind == code).any()):
                out = torch.where(kind == code, distance(local, size), out)
        return out

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance bound of the union, (..., N)."""
        return self.distances(points).amin(-1)

    def inside(self, points: Tensor) -> Tensor:
        """Whether world points (..., N, 3) lie inside, (..., N) bool."""
        return self.distance(points) < 0

    def nearest_group(self, points: Tensor) -> Tensor:
        """Color group that the part nearest to each point has there, (..., N) int64."""
        nearest = self.distances(points).argmin(-1)

        def of_nearest(field: Tensor) -> Tensor:
            return field[..., None, :].expand(*nearest.shape, -1).gather(-1, nearest[..., None])[..., 0]

        anchor = torch.stack([of_nearest(along) for along in self.anchor.unbind(-1)], -1)
        second = shows_second(of_nearest(self.pattern), points - anchor)
        return torch.where(second, of_nearest(self.second), of_nearest(self.group))


def join(*scenes: Solids) -> Solids:
    """The union of unbatched scenes."""
    return Solids(*(torch.cat([getattr(s, f.name) for s in scenes]) for f in fields(Solids)))


PADDING = {"kind": EMPTY, "size": 1, "pattern": PLAIN}  # what EMPTY parts have; 0 elsewhere


def stack(scenes: list[Solids]) -> Solids:
    """B unbatched scenes as one batch, padded with EMPTY parts."""
    longest = max(s.kind.shape[0] for s in scenes)

    def padded(name: str) -> Tensor:
        rows = [getattr(s, name) for s in scenes]
        out = rows[0].new_full((len(rows), longest, *rows[0].shape[1:]), PADDING.get(name, 0))
        for i, row in enumerate(rows):
            out[i, : row.shape[0]] = row
        return out

    return Solids(*(padded(f.name) for f in fields(Solids)))


def _ellipsoid(p: Tensor, s: Tensor) -> Tensor:
    k0 = (p / s).norm(dim=-1)
    k1 = (p / (s * s)).norm(dim=-1)
    return torch.where(k1 > 1e-9, k0 * (k0 - 1) / k1.clamp_min(1e-9), -s.amin(-1))


def _box(p: Tensor, s: Tensor) -> Tensor:
    q = p.abs() - s
    return q.clamp_min(0).norm(dim=-1) + q.amax(-1).clamp_max(0)


def _frustum(p: Tensor, s: Tensor) -> Tensor:
    bottom, top, half = s.unbind(-1)
    radius = p[..., [0, 2]].norm(dim=-1)
    slope = (top - bottom) / (2 * half)
    side = (radius - (bottom + top) / 2 - slope * p[..., 1]) / (1 + slope * slope).sqrt()
    return torch.maximum(side, p[..., 1].abs() - half)


def _torus(p: Tensor, s: Tensor) -> Tensor:
    ring = p[..., [0, 2]].norm(dim=-1) - s[..., 0]
    return (ring * ring + p[..., 1] ** 2).sqrt() - s[..., 1]


def _dome(p: Tensor, s: Tensor) -> Tensor:
    return torch.maximum(_ellipsoid(p, s), -p[..., 1])


def _roof_side(across: Tensor, y: Tensor, width: Tensor, half: Tensor) -> Tensor:
    return (across.abs() * 2 * half + (y - half) * width) / (4 * half * half + width * width).sqrt()


def _wedge(p: Tensor, s: Tensor) -> Tensor:
    side = _roof_side(p[..., 0], p[..., 1], s[..., 0], s[..., 1])
    return torch.maximum(torch.maximum(side, p[..., 2].abs() - s[..., 2]), -p[..., 1] - s[..., 1])


def _pyramid(p: Tensor, s: Tensor) -> Tensor:
    x_side = _roof_side(p[..., 0], p[..., 1], s[..., 0], s[..., 1])
    z_side = _roof_side(p[..., 2], p[..., 1], s[..., 2], s[..., 1])
    return torch.maximum(torch.maximum(x_side, z_side), -p[..., 1] - s[..., 1])


def _capsule(p: Tensor, s: Tensor) -> Tensor:
    y = (p[..., 1].abs() - s[..., 1]).clamp_min(0)
    return (p[..., 0] ** 2 + y * y + p[..., 2] ** 2).sqrt() - s[..., 0]


DISTANCES = {
    ELLIPSOID: _ellipsoid,
    BOX: _box,
    FRUSTUM: _frustum,
    TORUS: _torus,
    DOME: _dome,
    WEDGE: _wedge,
    PYRAMID: _pyramid,
    CAPSULE: _capsule,
}


def reach(solids: Solids, directions: Tensor) -> Tensor:
    """Support function of unbatched parts, (A,): how far they extend from the origin along unit directions (A, 3)."""
    found = []
    for kind in solids.kind.unique().tolist():
        alike = solids.kind == kind
        local = torch.einsum("aj,pji->api", directions, solids.rotation[alike])
        found.append((_support(kind, solids.size[alike], local) + directions @ solids.center[alike].T).amax(1))
    return torch.stack(found).amax(0)


def extent(solids: Solids) -> tuple[Tensor, Tensor]:
    """Corners of the tight axis-aligned box of unbatched parts: (low (3,), high (3,))."""
    both = reach(solids, torch.cat([torch.eye(3), -torch.eye(3)]))
    return -both[3:], both[:3]


def _support(kind: int, s: Tensor, d: Tensor) -> Tensor:
    """Support function max_{p in part} d.p of parts of one kind (P, 3) for local directions d (A, P, 3), (A, P)."""
    a, b, c = s.unbind(-1)
    x, up, z = d.unbind(-1)
    flat = (x * x + z * z).sqrt()
    if kind == ELLIPSOID:
        return (d * s).norm(dim=-1)
    if kind == BOX:
        return (d.abs() * s).sum(-1)
    if kind == FRUSTUM:
        return torch.maximum(a * flat - c * up, b * flat + c * up)
    if kind == TORUS:
        return a * flat + b
    if kind == DOME:
        return ((x * a).square() + (up.clamp_min(0) * b).square() + (z * c).square()).sqrt()
    if kind == WEDGE:
        return torch.maximum(b * up, a * x.abs() - b * up) + c * z.abs()
    if kind == PYRAMID:
        return torch.maximum(b * up, a * x.abs() + c * z.abs() - b * up)
    if kind == CAPSULE:
        return a + b * up.abs()
    raise ValueError(f"unknown solid kind {kind}; known: {sorted(DISTANCES)}")


def trace(solids: Solids, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Sphere-trace rays (..., N, 3) with unit directions: (distance along the ray, hit), each (..., N)."""
    t = torch.zeros(origins.shape[:-1], dtype=origins.dtype, device=origins.device)
    hit = torch.zeros_like(t, dtype=torch.bool)
    for _ in range(TRACE_STEPS):
        d = solids.distance(origins + t[..., None] * directions)
        hit = hit | (d < HIT)
        done = hit | (t > 10)
        if bool(done.all()):
            break
        t = torch.where(done, t, t + d)
    return t, hit


def normals(solids: Solids, points: Tensor) -> Tensor:
    """Outward unit normals (..., N, 3) by central differences of the union's distance."""
    step = 1e-3 * torch.eye(3, dtype=points.dtype, device=points.device)
    gradient = torch.stack([solids.distance(points + e) - solids.distance(points - e) for e in step], -1)
    return gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def render_groups_reference(solids: Solids, views: Cameras, size: int, groups: int, *, samples: int = 3) -> Tensor:
    """Head-lit coverage of every color group, (V, groups + 1, size, size); the last channel is opacity.

    The picture with colors c_g over background b is sum_g weight_g c_g + (1 - opacity) b: color is linear, so one
    render serves every coloring. `solids` is batched with B = V (scene i seen by camera i). `samples`^2 rays a pixel.
    """
    _check(solids, views, groups)
    origins, directions = views.rays(size * samples)
    count = len(views)
    o, d = origins.reshape(count, -1, 3), directions.reshape(count, -1, 3)
    t, hit = trace(solids, o, d)
    points = o + t[..., None] * d
    cosine = -(normals(solids, points) * d).sum(-1).clamp_max(0)
    shade = torch.where(hit, AMBIENT + DIFFUSE * cosine, torch.zeros_like(cosine))
    group = solids.nearest_group(points)
    layers = [torch.where(group == g, shade, torch.zeros_like(shade)) for g in range(groups)]
    picture = torch.stack([*layers, hit.to(shade.dtype)], 1)
    fine = picture.reshape(count, groups + 1, size * samples, size * samples)
    return torch.nn.functional.avg_pool2d(fine, samples)


def render_groups(solids: Solids, views: Cameras, size: int, groups: int, *, samples: int = 3) -> Tensor:
    """`render_groups_reference` on an accelerator; on a CPU its compiled twin, which supersamples outlines only."""
    if solids.center.device.type != "cpu":
        return render_groups_reference(solids, views, size, groups, samples=samples)
    _check(solids, views, groups)  # the compiled twin does not look where it writes
    from nerf.backends import solids_numba

    kind, scale = solids.kind.numpy(), solids.size.float().numpy()
    out = torch.zeros(len(views), groups + 1, size, size)
    solids_numba.render_batch(
        kind,
        scale,
        solids.center.float().numpy(),
        solids.rotation.float().numpy(),
        torch.stack([solids.group, solids.second], -1).numpy(),
        solids.pattern.numpy(),
        solids.anchor.float().numpy(),
        solids_numba.bounds(kind, scale),
        views.c2w.float().numpy(),
        (views.fov / 2).tan().float().numpy(),
        samples,
        out.numpy(),
    )
    return out


def _check(solids: Solids, views: Cameras, groups: int) -> None:
    if solids.kind.ndim != 2 or len(solids.kind) != len(views):
        shape = tuple(solids.kind.shape)
        raise ValueError(f"{len(views)} views need as many stacked scenes, got kinds of shape {shape}")
    both = torch.stack([solids.group, solids.second])
    if not 0 <= int(both.min()) <= int(both.max()) < groups:
        raise ValueError(f"color groups must lie in 0..{groups - 1}, got {int(both.min())} to {int(both.max())}")
