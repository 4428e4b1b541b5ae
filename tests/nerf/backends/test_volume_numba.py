import numba
import pytest
import torch

from nerf import backends, render
from nerf.cameras import orbit
from nerf.encoding import HashGrid
from nerf.field import Blob, HashField
from nerf.render import VolumeScene

VIEWS = orbit(3, elevation=0.3, distance=3.2, fov=0.7)
NAMES = ("sums", "table", "hidden_weight", "hidden_bias", "out_weight", "out_bias")


def excited(seed: int = 0, gain: float = 10.0, active: int = 8) -> HashField:
    """A field with features of order one, neither empty nor opaque everywhere."""
    generator = torch.Generator().manual_seed(seed)
    field = HashField(HashGrid(log2_size=12), blob=Blob(4, 0.5, gain), generator=generator)
    with torch.no_grad():
        field.table.mul_(4e3)
        field.hidden_bias.normal_(std=0.3, generator=generator)
        field.out_bias.normal_(generator=generator)
    field.active_levels = active
    return field


def traced(function, field: HashField, *, stop: float = 1e-3, size: int = 20, dtype=torch.float32):
    """Sums along the rays, and gradients of their random combination, all in float64."""
    origins, directions = (x.reshape(-1, 3) for x in VIEWS.rays(size))
    generator = torch.Generator().manual_seed(7)
    offset, weight = torch.rand(len(origins), generator=generator), torch.randn(6, len(origins), generator=generator)
    occupied = torch.rand(16**3, generator=generator) < 0.7
    field = field.to(dtype)
    geometry = origins.to(dtype), directions.to(dtype), offset.to(dtype), occupied
    sums = function(field, *geometry, step=0.03, stop=stop)
    slopes = torch.autograd.grad((sums * weight.to(dtype)).sum(), [field.table, *field.network])
    return [x.detach().double() for x in (sums, *slopes)]


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("settings", [{}, {"gain": 60.0}, {"active": 3}, {"seed": 1, "gain": 1.0}])
def test_equals_the_reference(settings):
    found, expected = (traced(f, excited(**settings)) for f in (backends.trace, render.trace))
    assert expected[0][3].max() > 0.5
    for name, a, b in zip(NAMES, found, expected, strict=True):
        assert distance(a, b) < (1e-6 if name == "sums" else 1e-3), name  # one rectifier may flip in float32


def test_gradients_are_the_double_precision_references():
    found = traced(backends.trace, excited(gain=3.0), stop=0.0)
    expected = traced(render.trace, excited(gain=3.0), stop=0.0, dtype=torch.float64)
    assert max(distance(a, b) for a, b in zip(found, expected, strict=True)) < 2e-3


def test_stopped_samples_do_not_count():
    """Rays that end early: the same sums as the reference, and other ones than without an end."""
    early, late = (traced(backends.trace, excited(gain=60.0), stop=s) for s in (0.1, 0.0))
    expected = traced(render.trace, excited(gain=60.0), stop=0.1)
    assert distance(early[0], expected[0]) < 1e-3  # a sample on the edge may count in one and not in the other
    assert distance(late[0], expected[0]) > 5e-3


def test_same_bits_for_any_number_of_threads(monkeypatch):
    runs = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        runs.append(traced(backends.trace, excited(), size=48))
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_training_repeats_to_the_bit():
    def trained() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        field = HashField(generator=generator)
        scene = VolumeScene(field)
        optimizer = torch.optim.Adam(field.parameters(), 1e-2, fused=True)
        for step in range(4):
            if step % 2 == 0:
                scene.refresh(generator)
            optimizer.zero_grad()
            picture = scene.render(VIEWS, 24, background=torch.ones(3), shading="headlight", generator=generator)
            ((picture.rgb - 0.5) ** 2).mean().backward()
            optimizer.step()
        return [x.clone() for x in scene.state_dict().values()]

    assert all(torch.equal(a, b) for a, b in zip(trained(), trained(), strict=True))


def test_nothing_to_see():
    field, rays = excited(), [x.reshape(-1, 3) for x in VIEWS.rays(4)]
    empty, offset = torch.zeros(512, dtype=torch.bool), torch.zeros(48)
    sums = backends.trace(field, *rays, offset, empty, step=0.03, stop=1e-3)
    assert (sums == 0).all()
    sums.sum().backward()
    assert all((p.grad == 0).all() for p in field.parameters())


def test_a_second_way_back_is_refused():
    field, rays = excited(), [x.reshape(-1, 3) for x in VIEWS.rays(4)]
    sums = backends.trace(field, *rays, torch.zeros(48), torch.ones(512, dtype=torch.bool), step=0.1, stop=1e-3)
    sums.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        sums.sum().backward()


def test_other_shapes_take_the_reference():
    field = HashField(HashGrid(levels=3, log2_size=8), hidden=8, generator=torch.Generator().manual_seed(0))
    picture = VolumeScene(field, step=0.1).render(VIEWS, 6, background=torch.ones(3))
    assert picture.rgb.shape == (3, 3, 6, 6)
    picture.rgb.sum().backward()
    assert field.table.grad is not None
