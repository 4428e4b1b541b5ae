import math

import pytest
import torch
from torch import Tensor

from guidance.networks.feature_field import FieldSize
from guidance.networks.text import SlotText, WordText
from guidance.networks.unet import GRID, UNet, UNetSize, camera_features, noise_features, ray_map
from guidance.vocabulary import load_vocabulary
from nerf.cameras import Cameras

TINY = UNetSize(side=32, levels=(16, 32, 16), width=32, text=8, middle=0)


def cameras() -> Cameras:
    return Cameras(*(torch.tensor(v) for v in ([0.3, -2.0, 3.1], [0.2, -0.2, 0.9], [3.2, 2.0, 1.5], [0.7, 0.5, 1.2])))


def rows() -> Tensor:
    views = cameras()
    return torch.stack([views.azimuth, views.elevation, views.distance, views.fov], -1)


def network(size: UNetSize = TINY, *, trained: bool = True) -> UNet:
    """A fresh network; `trained`: no layer is silent any more."""
    torch.manual_seed(0)
    net = UNet(size, SlotText(load_vocabulary(), size.text))
    if trained:
        for parameter in net.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return net


def inputs(net: UNet, count: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    text = net.text.rows(["a red mushroom", "a blue cube on a table", ""][:count])
    return x, torch.tensor([-1.0, 0.5, 3.0][:count]), text, rows()[:count]


# Cameras


def test_rays_are_those_of_the_renderer():
    views = cameras()
    origins, directions = views.rays(GRID)
    moments = torch.linalg.cross(origins, directions)
    expected = torch.cat([directions, moments], -1).permute(0, 3, 1, 2)
    assert torch.allclose(ray_map(rows()), expected, atol=1e-6)
    assert not torch.allclose(ray_map(rows()), expected.flip(-1), atol=1e-1)  # a mirrored picture


def test_without_a_camera_there_are_no_rays():
    assert not ray_map(torch.zeros(2, 4)).any()
    assert not camera_features(torch.zeros(2, 4)).any()


def test_camera_features_are_periodic():
    turned = rows() + torch.tensor([2 * math.pi, 0, 0, 0])
    assert torch.allclose(camera_features(turned), camera_features(rows()), atol=1e-5)
    for part in (2, 3, 4):  # no smaller turn looks the same
        other = rows() + torch.tensor([2 * math.pi / part, 0, 0, 0])
        assert (camera_features(other) - camera_features(rows())).abs().amax(1).min() > 0.1
    assert (camera_features(rows())[:, -1] == 1).all()


def test_noise_features_tell_levels_apart():
    levels = torch.linspace(-10, 10, 81)
    features = noise_features(levels)
    apart = torch.cdist(features, features) + 10 * torch.eye(81)
    assert apart.min() > 0.3
    assert features.abs().max() <= 1


# The network


def test_a_fresh_network_answers_zero():
    net = network(trained=False)
    assert not net(*inputs(net)).any()


@pytest.mark.parametrize("side", [16, 32, 48])
def test_shape_and_gradient_of_everything(side):
    size = UNetSize(side=side, levels=(16, 32, 16), width=32, text=8, middle=1)
    net = network(size)
    _, level, text, camera = inputs(net)
    x = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(2), requires_grad=True)
    out = net(x, level, text, camera)
    assert out.shape == x.shape
    out.square().mean().backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []
    assert x.grad is not None
    assert (x.grad.flatten(1).count_nonzero(1) == x[0].numel()).all()


def test_every_input_matters_to_its_own_sample_alone():
    net = network().eval()
    x, level, text, camera = inputs(net)
    out = net(x, level, text, camera)
    other = {
        "x": (x + torch.eye(3)[0, :, None, None, None], level, text, camera),
        "level": (x, level + torch.tensor([1.0, 0, 0]), text, camera),
        "text": (x, level, torch.cat([text[1:2], text[1:]]), camera),
        "camera": (x, level, text, torch.cat([camera[1:2], camera[1:]])),
        "presence": (x, level, text, camera * torch.tensor([[0.0], [1], [1]])),
    }
    for changed in other.values():
        apart = (net(*changed) - out).abs().amax((1, 2, 3))
        assert apart[0] > 1e-3
        assert apart[1:].max() < 1e-5


def test_levels_beyond_ten_are_all_the_same():
    net = network().eval()
    x, _, text, camera = inputs(net)
    clean, noise = (net(x, torch.full((3,), v), text, camera) for v in (math.inf, -math.inf))
    assert torch.equal(clean, net(x, torch.full((3,), 10.0), text, camera))
    assert torch.equal(noise, net(x, torch.full((3,), -10.0), text, camera))
    assert (clean - noise).abs().max() > 1e-3


def test_free_captions_drive_it_too():
    torch.manual_seed(0)
    net = UNet(TINY, WordText(TINY.text))
    x, level, _, camera = inputs(network())
    assert net(x, level, net.text.rows(["a dog", "", "a very red dog"]), camera).shape == x.shape


def test_maps_of_one_own_are_read_instead_of_tokens():
    """A network told extra maps: they matter, colors in rows only through the text's vector, channels are its own."""
    torch.manual_seed(0)
    net = UNet(TINY, SlotText(load_vocabulary(), TINY.text), extra=5, out=7)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    extra = torch.randn(3, 5, GRID, GRID, generator=torch.Generator().manual_seed(2))
    x, level, text, camera = inputs(net)
    out = net(x, level, text, camera, extra)
    assert out.shape == (3, 7, 32, 32)
    apart = (net(x, level, text, camera, extra * torch.tensor([2.0, 1, 1])[:, None, None, None]) - out).abs()
    assert apart[0].max() > 1e-3
    assert apart[1:].max() < 1e-5
    assert len(net.reads) == 0
    assert len(network().reads) == 2


def test_the_side_of_the_field_is_named():
    with pytest.raises(ValueError, match="the side of the field's maps must be a multiple of 16, got 24"):
        UNetSize(field=FieldSize(side=24))
    with pytest.raises(ValueError, match="samples of the field must be at least 1, got 0"):
        FieldSize(samples=0)


@pytest.mark.parametrize("wrong", [{"side": 40}, {"side": 0}, {"levels": (16, 24, 16)}, {"levels": (0, 16, 16)}])
def test_bad_sizes_are_named(wrong):
    with pytest.raises(ValueError, match=r"multiples? of 16, got"):
        UNetSize(**wrong)
