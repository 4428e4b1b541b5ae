import math

import pytest
import torch

from distill.catalog import pictures as p
from distill.catalog.captions import VOCABULARY
from distill.catalog.truth import GROUPS, scene, slot_colors, truth
from nerf.cameras import orbit
from nerf.solids import render_groups, stack


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(p, "SHARD", 12)
    monkeypatch.setattr(p, "RENDER_CHUNK", 5)


def test_a_bank_holds_scenes_of_the_law(tmp_path):
    bank = p.open_bank(tmp_path, 16, 2)
    assert len(bank) == 24
    assert bank.weights.shape == (24, GROUPS + 1, 16, 16)
    assert bank.weights.dtype == torch.uint8
    assert {len(bank.things(i)) for i in range(24)} == {1, 2}
    for name in ("azimuth", "elevation", "distance", "fov"):
        values, (low, high) = getattr(bank.cameras, name), getattr(p.LAW, name)
        assert ((values >= low - 1e-6) & (values <= high + 1e-6)).all()
    assert bank.cameras.azimuth.std() > 1


def test_its_rows_are_what_their_kinds_and_cameras_say(tmp_path):
    """Within the jitter: renders of the mean proportions nearly agree, those of another row's do not."""
    bank = p.open_bank(tmp_path, 16, 1)
    mean = render_groups(stack([scene(bank.things(i)) for i in range(12)]), bank.cameras, 16, GROUPS)
    apart = (bank.weights.float() / 255 - mean).abs().mean((1, 2, 3))
    assert apart.max() < 0.012
    assert apart.max() > 1e-4
    assert (bank.weights.float() / 255 - mean.roll(1, 0)).abs().mean((1, 2, 3)).min() > 0.012


def test_pictures_have_the_colors_of_their_captions():
    caption = VOCABULARY.parse("a red mushroom with a green stem on a blue cube")
    cameras = orbit(5, elevation=0.3, distance=3.2, fov=math.radians(40))[:2]
    layers = render_groups(stack([truth(caption)] * 2), cameras, 32, GROUPS)
    bank = p.Bank((layers * 255).round().to(torch.uint8), torch.zeros(2, 2, dtype=torch.long), cameras)
    colors = slot_colors(caption.things).expand(2, -1, -1)
    background = torch.tensor([[0.2, 0.4, 0.6], [1.0, 1.0, 1.0]])
    shown = bank.pictures(torch.tensor([1, 0]), colors, background)
    exact = torch.einsum("vghw,vgc->vchw", layers[:, :GROUPS], colors).flip(0)
    exact = exact + (1 - layers[:, GROUPS:].flip(0)) * background[:, :, None, None]
    assert (shown - exact).abs().max() < 3.1 * 0.5 / 255  # three rounded layers may meet in a pixel
    assert torch.allclose(shown[:, :, 0, 0], background)
    assert (shown - bank.pictures(torch.tensor([0, 1]), colors, background)).abs().max() > 0.1


def test_shards_are_kept_and_rendered_once(tmp_path, monkeypatch):
    first = p.open_bank(tmp_path, 16, 1)
    monkeypatch.setattr(p, "render_shard", lambda number, size: pytest.fail("rendered again"))
    again = p.open_bank(tmp_path, 16, 1)
    assert torch.equal(first.weights, again.weights)
    assert torch.equal(first.kinds, again.kinds)
    assert all(torch.equal(getattr(first.cameras, f), getattr(again.cameras, f)) for f in vars(first.cameras))
    assert len(list(tmp_path.iterdir())) == 1


def test_shards_depend_on_their_number_alone(tmp_path):
    two, other = p.open_bank(tmp_path / "a", 16, 2), p.render_shard(1, 16)
    assert torch.equal(two.weights[12:], other.weights)
    assert torch.equal(two.cameras.azimuth[12:], other.cameras.azimuth)
    assert not torch.equal(two.weights[:12], two.weights[12:])


def test_shards_of_another_catalog_or_size_are_not_reused(tmp_path, monkeypatch):
    p.open_bank(tmp_path, 16, 1)
    p.open_bank(tmp_path, 32, 1)
    monkeypatch.setattr(p, "OBJECTS", p.OBJECTS[:-1])
    p.open_bank(tmp_path, 16, 1)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_shard_is_named(tmp_path):
    p.open_bank(tmp_path, 16, 1)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{path.name} is damaged; delete it, and it is rendered anew"):
        p.open_bank(tmp_path, 16, 1)
