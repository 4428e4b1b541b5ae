import math

import nerfacc
import pytest
import torch
from torch import Tensor, nn

from nerf.cameras import Cameras, orbit
from nerf.encoding import HashGrid
from nerf.field import Blob, HashField
from nerf.occupancy import OccupancyGrid, Samples, box_interval, march
from nerf.render import VolumeScene, integrate, surface_normals, transmittance

FRONT = orbit(1, elevation=0.0, distance=3.0, fov=math.radians(40))
BLACK = torch.zeros(3)


class Made(nn.Module):
    """A field given by formulas."""

    def __init__(self, density, albedo=lambda p: torch.full_like(p, 0.5)) -> None:
        super().__init__()
        self.density, self.albedo = density, albedo

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.density(points), self.albedo(points)


def ball(strength: float, radius: float = 0.6, soft: float = 0.0):
    def density(points: Tensor) -> Tensor:
        inside = radius - points.norm(dim=-1)
        return strength * (torch.sigmoid(inside / soft) if soft else (inside > 0).to(points.dtype))

    return density


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rays(cameras: Cameras, size: int) -> tuple[Tensor, Tensor]:
    origins, directions = cameras.rays(size)
    return origins.reshape(-1, 3), directions.reshape(-1, 3)


def packed(counts: list[int]) -> Samples:
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    starts = torch.tensor([0, *counts]).cumsum(0)
    return Samples(torch.linspace(1, 4, int(starts[-1])), ray, starts)


# The integral


@pytest.mark.parametrize("strength", [0.7, 3.0])
def test_opacity_of_a_ball_is_beer_lamberts(strength):
    """1 - exp(-density x chord), to the accuracy of the chord."""
    step = 1e-3
    origins, directions = rays(FRONT, 9)
    samples = march(origins, directions, torch.full((81,), 0.5), step, torch.ones(64, dtype=torch.bool))
    sums = integrate(Made(ball(strength)), origins, directions, samples, step=step, stop=0.0)
    closest = torch.linalg.cross(origins, directions).norm(dim=-1)
    chord = 2 * (0.36 - closest**2).clamp_min(0).sqrt()
    expected = 1 - torch.exp(-strength * chord)
    assert chord.max() > 1.1
    torch.testing.assert_close(sums[3], expected, atol=strength * 2 * step, rtol=0)
    assert (sums[3] - (1 - torch.exp(-strength * chord / 2))).abs().max() > 0.1  # the mutant: half a chord
    torch.testing.assert_close(sums[0], 0.5 * sums[3])


def test_depth_and_its_variance_in_fog():
    """In fog of density s the distance into it is exponential: mean 1 / s, variance 1 / s^2."""
    density = 12.0
    picture = VolumeScene(Made(lambda p: torch.full_like(p[:, 0], density)), step=2e-3, stop=0.0).render(
        FRONT, 3, background=BLACK
    )
    near, _ = box_interval(*rays(FRONT, 3))
    depth = picture.depth.reshape(-1) - near
    assert depth.tolist() == pytest.approx([1 / density] * 9, abs=2e-3)
    assert picture.spread.reshape(-1).tolist() == pytest.approx([1 / density**2] * 9, rel=2e-2)


def test_spread_is_of_normalized_weights():
    """Two equally faint sheets 1 apart: variance 1/4, however faint. Unnormalized weights would give almost nothing."""

    def sheets(points: Tensor) -> Tensor:
        return 0.2 * ((points[:, 2].abs() - 0.5).abs() < 0.02).to(points.dtype)

    scene = VolumeScene(Made(sheets), occupancy=OccupancyGrid(8), step=1e-3, stop=0.0)
    picture = scene.render(FRONT, 1, background=BLACK)
    assert picture.opacity.item() < 0.02
    assert picture.spread.item() == pytest.approx(0.25, rel=0.02)


def test_transmittance_and_weights_are_nerfaccs():
    """Against nerfacc's batched functions, on rays of equal length."""
    optical = torch.rand(4, 7, generator=seeded())
    edges = torch.zeros(4, 7)
    samples = packed([7] * 4)
    expected, _ = nerfacc.render_transmittance_from_density(edges, edges + 1, optical)
    torch.testing.assert_close(transmittance(optical.reshape(-1), samples), expected.reshape(-1))
    weight, _, _ = nerfacc.render_weight_from_density(edges, edges + 1, optical)
    place = torch.rand(28, 3, generator=seeded(1))
    field = Made(lambda p: optical.reshape(-1), lambda p: place)
    sums = integrate(field, torch.zeros(4, 3), torch.ones(4, 3), samples, step=1.0, stop=0.0)
    torch.testing.assert_close(sums[:3].T, nerfacc.accumulate_along_rays(weight, place.reshape(4, 7, 3)))
    torch.testing.assert_close(sums[3:4].T, nerfacc.accumulate_along_rays(weight))
    torch.testing.assert_close(sums[4:5].T, nerfacc.accumulate_along_rays(weight, samples.t.reshape(4, 7, 1)))


def test_rays_of_unequal_length_do_not_mix():
    samples = packed([3, 0, 5, 1])
    optical = torch.rand(9, generator=seeded())
    expected = [math.exp(-float(optical[s:i].sum())) for s, e in ((0, 3), (3, 8), (8, 9)) for i in range(s, e)]
    assert transmittance(optical, samples).tolist() == pytest.approx(expected)


def test_a_stopped_ray_loses_no_more_than_stop():
    origins, directions = rays(FRONT, 9)
    samples = march(origins, directions, torch.full((81,), 0.5), 0.02, torch.ones(64, dtype=torch.bool))
    field = Made(ball(20.0))
    whole, stopped = (integrate(field, origins, directions, samples, step=0.02, stop=s)[3] for s in (0.0, 0.05))
    assert (whole - stopped).max() <= 0.05
    assert (whole - stopped).max() > 1e-3
    assert (stopped <= whole + 1e-6).all()


def test_gradients_by_finite_differences():
    """Of color and opacity to every parameter of a small field, in float64."""
    grid = HashGrid(levels=2, log2_size=3, base=2, finest=5)
    field = HashField(grid, hidden=4, blob=Blob(2, 0.7, 3), generator=seeded())
    with torch.no_grad():
        field.table.mul_(3e3)
        field.hidden_bias.copy_(torch.tensor([0.5, -0.2, 0.1, 0.3]))
    scene = VolumeScene(field, step=0.2, stop=0.0).double()
    view = Cameras(*(torch.tensor([x], dtype=torch.float64) for x in (0.3, 0.2, 3.0, 0.7)))
    parameters = dict(field.named_parameters())

    def pictures(*values: Tensor) -> tuple[Tensor, Tensor]:
        swapped = {f"field.{k}": v for k, v in zip(parameters, values, strict=True)}
        picture = torch.func.functional_call(scene, swapped, (view,))
        return picture.rgb, picture.opacity

    scene.forward = lambda v: scene.render(v, 3, background=torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64))
    assert torch.autograd.gradcheck(pictures, tuple(parameters.values()), eps=1e-6, atol=1e-5)


# The picture


def test_shapes_and_background():
    cameras = orbit(2, elevation=0.3, distance=3.0, fov=0.7)
    scene = VolumeScene(Made(ball(50.0)))
    colors = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.25, 1.0]])
    picture = scene.render(cameras, 16, background=colors)
    assert picture.rgb.shape == picture.normal.shape == (2, 3, 16, 16)
    assert picture.opacity.shape == picture.depth.shape == picture.spread.shape == (2, 1, 16, 16)
    torch.testing.assert_close(picture.rgb[:, :, 0, 0], colors)
    assert picture.opacity[:, 0, 0, 0].tolist() == [0, 0]
    assert picture.opacity[:, 0, 8, 8].min() > 0.99
    expected = 0.5 * picture.opacity + (1 - picture.opacity) * colors[:, :, None, None]
    torch.testing.assert_close(picture.rgb, expected)
    one = scene.render(cameras, 16, background=colors[0])
    torch.testing.assert_close(one.rgb[0], picture.rgb[0])


def test_up_is_up_and_right_is_right():
    """Red where x > 0, green where y > 0: seen from the front, x points right and y up."""
    scene = VolumeScene(Made(ball(200.0), lambda p: torch.stack([p[:, 0] > 0, p[:, 1] > 0, p[:, 2] > 9], -1).float()))
    rgb = scene.render(FRONT, 16, background=BLACK).rgb[0]
    assert (rgb[:2, 5, 10] > 0.9).all()
    assert (rgb[:2, 10, 5] < 0.1).all()
    assert rgb[0, 10, 10] > 0.9
    assert rgb[1, 5, 5] > 0.9


def test_only_a_generator_brings_chance():
    scene = VolumeScene(Made(ball(30.0, soft=0.05)))
    still = [scene.render(FRONT, 12, background=BLACK).rgb for _ in range(2)]
    shaken = [scene.render(FRONT, 12, background=BLACK, generator=seeded(s)).rgb for s in (0, 0, 1)]
    assert torch.equal(*still)
    assert torch.equal(shaken[0], shaken[1])
    assert not torch.equal(shaken[0], shaken[2])
    assert (shaken[0] - still[0]).abs().max() < 0.2


def test_marching_through_the_grid_changes_nothing():
    full, culled = (VolumeScene(Made(ball(60.0, soft=0.02)), occupancy=OccupancyGrid(32)) for _ in range(2))
    for _ in range(2):
        culled.refresh(seeded())
    pictures = [scene.render(FRONT, 24, background=BLACK) for scene in (full, culled)]
    assert culled.occupancy.occupied.float().mean() < 0.3
    assert (pictures[0].rgb - pictures[1].rgb).abs().max() < 0.01


def test_head_light_on_a_ball():
    """The closed form: a ball's normal is p / r, and every pixel is albedo (0.45 + 0.55 n.v)."""
    scene = VolumeScene(Made(ball(400.0, soft=0.005)), step=0.01)
    picture = scene.render(FRONT, 24, background=BLACK, shading="headlight")
    origins, directions = rays(FRONT, 24)
    along = -(origins * directions).sum(-1)
    closest = torch.linalg.cross(origins, directions).norm(dim=-1)
    inner = closest < 0.5
    points = origins + (along - (0.36 - closest**2).clamp_min(0).sqrt())[:, None] * directions
    normal = points / 0.6
    found = picture.normal[0].permute(1, 2, 0).reshape(-1, 3)
    cosine = (found * normal).sum(-1)[inner]
    assert cosine.min() > math.cos(math.radians(6))
    expected = 0.5 * (0.45 + 0.55 * -(normal * directions).sum(-1))
    assert expected[inner].amax() - expected[inner].amin() > 0.1  # the mutant: every normal faces the eye
    torch.testing.assert_close(picture.rgb[0, 0].reshape(-1)[inner], expected[inner], atol=0.02, rtol=0)


def test_light_does_not_bend_the_shape():
    """Normals are detached: lit and unlit pictures differ in the gradient only by the light's factor."""
    field = HashField(generator=seeded())
    scene = VolumeScene(field, step=0.05)
    picture = scene.render(FRONT, 8, background=BLACK, shading="normal")
    (slope,) = torch.autograd.grad(picture.rgb.sum(), field.out_bias, retain_graph=True)
    assert not picture.normal.requires_grad
    assert slope[1:].abs().max() == 0


def test_normals_stand_fog():
    """In fog that thickens inward the mean distance is deep inside, yet normals point outward."""
    origins, directions = rays(FRONT, 24)
    fog = Made(lambda p: 8 * (0.7 - p.norm(dim=-1)).clamp_min(0) / 0.7)
    picture = VolumeScene(fog).render(FRONT, 24, background=BLACK)
    seen = picture.opacity.reshape(-1) > 0.5
    deep = (origins + picture.depth.reshape(-1, 1) * directions)[seen]
    outward = deep / deep.norm(dim=-1, keepdim=True)
    found = picture.normal[0].permute(1, 2, 0).reshape(-1, 3)[seen]
    assert (found * outward).sum(-1).mean() > 0.9


def test_flat_density_faces_the_eye():
    origins, directions = rays(FRONT, 2)
    flat = Made(lambda p: torch.ones_like(p[:, 0]))
    one = torch.ones(4)
    found = surface_normals(flat, origins, directions, 2 * one, 0 * one, radius=0.04, step=0.03)
    torch.testing.assert_close(found, -directions)


def test_impossible_step_is_refused():
    with pytest.raises(ValueError, match=r"step must lie in .* got 2"):
        VolumeScene(Made(ball(1.0)), step=2)
