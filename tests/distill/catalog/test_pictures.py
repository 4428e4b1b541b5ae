import math
from pathlib import Path

import pytest
import torch

from distill.catalog import captions
from distill.catalog import pictures as p
from distill.catalog.captions import VOCABULARY, Layout
from distill.catalog.truth import GROUPS, layout_of, scene, slot_colors, truth
from guidance.vocabulary import PATTERNS
from nerf.cameras import orbit
from nerf.solids import render_groups, stack


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(p, "SHARD", 12)
    monkeypatch.setattr(p, "RENDER_CHUNK", 5)


def every(bank: p.Bank) -> torch.Tensor:
    return bank.weights(torch.arange(len(bank)))


def test_a_bank_holds_scenes_of_the_law(tmp_path):
    bank = p.open_bank(tmp_path, 16, 4)
    assert len(bank) == 48
    assert bank.side == 16
    assert every(bank).shape == (48, GROUPS + 1, 16, 16)
    assert every(bank).dtype == torch.uint8
    assert {bank.layout(i).relation for i in range(48)} == {None, "on", "next to"}
    assert {pattern for i in range(48) for pattern in bank.layout(i).patterns} == set(PATTERNS)
    for name in ("azimuth", "elevation", "distance", "fov"):
        values, (low, high) = getattr(bank.cameras, name), getattr(p.LAW, name)
        assert ((values >= low - 1e-6) & (values <= high + 1e-6)).all()
    assert bank.cameras.azimuth.std() > 1


def test_its_rows_are_what_their_kinds_and_cameras_say(tmp_path):
    """Within the jitter: renders of the mean proportions nearly agree, those of another row's do not."""
    bank = p.open_bank(tmp_path, 16, 1)
    mean = render_groups(stack([scene(bank.layout(i)) for i in range(12)]), bank.cameras, 16, GROUPS)
    apart = (every(bank).float() / 255 - mean).abs().mean((1, 2, 3))
    assert apart.max() < 0.012
    assert apart.max() > 1e-4
    assert (every(bank).float() / 255 - mean.roll(1, 0)).abs().mean((1, 2, 3)).min() > 0.012


def test_pictures_have_the_colors_of_their_captions():
    caption = VOCABULARY.parse("a red mushroom with a green stem on a blue cube")
    cameras = orbit(5, elevation=0.3, distance=3.2, fov=math.radians(40))[:2]
    layers = render_groups(stack([truth(caption)] * 2), cameras, 32, GROUPS)
    bank = p.bank_of([(layers * 255).round().to(torch.uint8)], [layout_of(caption)] * 2, cameras)
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
    assert torch.equal(every(first), every(again))
    assert [first.layout(i) for i in range(12)] == [again.layout(i) for i in range(12)]
    assert all(torch.equal(getattr(first.cameras, f), getattr(again.cameras, f)) for f in vars(first.cameras))
    assert len(list(tmp_path.iterdir())) == 1


def test_shards_depend_on_their_number_alone(tmp_path):
    two, other = p.open_bank(tmp_path / "a", 16, 2), p.render_shard(1, 16)
    assert torch.equal(every(two)[12:], every(other))
    assert [two.layout(12 + i) for i in range(12)] == [other.layout(i) for i in range(12)]
    assert torch.equal(two.cameras.azimuth[12:], other.cameras.azimuth)
    assert not torch.equal(every(two)[:12], every(two)[12:])


def test_rows_keep_the_layers_that_they_show():
    weights = torch.randint(1, 256, (5, GROUPS + 1, 4, 4), generator=generator(), dtype=torch.uint8)
    weights *= (torch.rand(5, GROUPS + 1, 1, 1, generator=generator(1)) < 0.5).byte()
    weights[3] = 0  # out of sight
    layouts = [
        Layout(("cube",), ("spotted",)),
        Layout(("cone", "cube"), ("plain", "striped"), "on"),
        Layout(("table", "cone"), ("checkered", "plain"), "next to"),
        *[Layout(("mug",), ("plain",))] * 2,
    ]
    bank = p.bank_of([weights[:2], weights[2:]], layouts, orbit(5, elevation=0.0, distance=3.2, fov=0.7))
    index = torch.tensor([4, 0, 3, 3, 1, 2])
    assert torch.equal(bank.weights(index), weights[index])
    assert [bank.layout(i) for i in range(5)] == layouts
    shown = weights.flatten(2).any(-1)
    shown[:, GROUPS] = True
    assert len(bank.layers[0]) == int(shown.sum()) < 30


def test_shards_are_mapped_and_not_read(tmp_path):
    """Their bytes are those of the file: no copy is made."""
    p.open_bank(tmp_path, 16, 1)
    bank = p.open_bank(tmp_path, 16, 1)
    path = next(tmp_path.iterdir())
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line]
    spans = [[int(end, 16) for end in fields[0].split("-")] for fields in maps]
    assert any(low <= bank.layers[0].data_ptr() < high for low, high in spans)


@pytest.mark.parametrize(
    ("where", "name"), [("truth", "GAP"), ("truth", "JITTER_PART"), ("patterns", "CELL"), ("solids", "AMBIENT")]
)
def test_keys_name_what_pictures_depend_on(monkeypatch, where, name):
    before = p._key(16)
    assert p._key(16) == before
    assert p._key(32) != before
    monkeypatch.setattr(getattr(p, where), name, 0.123)
    assert p._key(16) != before


def test_keys_name_the_law_of_layouts(monkeypatch):
    before = p._key(16)
    monkeypatch.setattr(captions, "PATTERNED_SHARE", 0.26)
    assert p._key(16) != before


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
