import math

import pytest
import torch
from torch import Tensor

from distill.catalog import oracle as o
from distill.catalog.truth import GROUPS, slot_colors, truth
from guidance.teacher import Guided
from guidance.vocabulary import Caption
from nerf.cameras import Cameras, orbit
from nerf.solids import render_groups, stack
from samplers.grids import uniform_t
from samplers.methods.ddim import DDIM
from samplers.types import last

FOV = math.radians(40)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views(count: int = 2) -> Cameras:
    return orbit(5, elevation=0.3, distance=3.2, fov=FOV)[:count]


# The posterior mean


def two_pixels() -> tuple[Tensor, Tensor]:
    """Two instances of three channels on a picture of two pixels: (1, 2, 3, 1, 2), (1, 2, 1, 1, 2)."""
    foreground = torch.tensor([[[0.3, 0.0], [-0.2, 0.1], [0.5, 0.0]], [[0.1, -0.4], [0.6, 0.0], [-0.1, 0.2]]])
    opacity = torch.tensor([[[0.8, 0.1]], [[0.3, 0.6]]])
    return foreground[None, :, :, None], opacity[None, :, :, None]


def brute_force(x: Tensor, alpha: float, sigma: float, variance: float = o.BACKGROUND_VARIANCE) -> Tensor:
    """E[x0 | x] of two pixels by sums over a fine grid of backgrounds, channel by channel within an instance."""
    foreground, opacity = (t[0].double() for t in two_pixels())
    b = torch.linspace(-8, 8, 40_001, dtype=torch.float64)
    evidence, means = [], []
    for f, a in zip(foreground, opacity, strict=True):
        pictures = f[:, 0, :, None] + (1 - a[0, 0, :, None]) * b  # (3, 2, B)
        seen = (x[0, :, 0, :, None].double() - alpha * pictures).square().sum(1) / (2 * sigma**2)
        weight = torch.exp(-seen - b.square() / (2 * variance))
        evidence.append(weight.sum(-1).prod())
        means.append((pictures * weight[:, None]).sum(-1) / weight.sum(-1, keepdim=True))
    share = torch.stack(evidence) / sum(evidence)
    return torch.einsum("j,jcp->cp", share, torch.stack(means))[None, :, None].float()


@pytest.mark.parametrize(("alpha", "sigma"), [(0.9, 0.44), (0.4, 0.9), (1.0, 2.0), (0.97, 0.24)])
def test_posterior_mean_by_brute_force(alpha, sigma):
    foreground, opacity = two_pixels()
    for seed in range(3):
        x = torch.randn(1, 3, 1, 2, generator=generator(seed))
        exact = brute_force(x, alpha, sigma)
        mean = o.posterior_mean(x, *(torch.full((1, 1, 1, 1), c) for c in (alpha, sigma)), foreground, opacity)
        assert torch.allclose(mean, exact, atol=2e-5)
        assert not torch.allclose(mean, brute_force(x, alpha, sigma, variance=1.0), atol=2e-3)
        assert not torch.allclose(mean, brute_force(x, alpha, sigma * 1.2), atol=2e-3)


def test_posterior_mean_without_noise_is_the_picture():
    foreground, opacity = two_pixels()
    for j in range(2):
        x0 = foreground[:, j] + (1 - opacity[:, j]) * torch.tensor([0.5, -0.7, 0.1])[:, None, None]
        for sigma in (0.0, 1e-4, 1e-2):
            alpha = torch.ones(1, 1, 1, 1)
            mean = o.posterior_mean(x0, alpha, torch.full((1, 1, 1, 1), sigma), foreground, opacity)
            assert torch.allclose(mean, x0, atol=1e-5 + sigma)


def test_posterior_mean_of_noise_is_the_prior_mean():
    foreground, opacity = two_pixels()
    x = torch.randn(1, 3, 1, 2, generator=generator())
    mean = o.posterior_mean(x, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), foreground, opacity)
    assert torch.allclose(mean, foreground.mean(1), atol=1e-6)


# The teacher


@pytest.mark.parametrize(
    "prompt", ["a red mushroom on a blue cube", "a red and white spotted mushroom next to a blue and gold striped cube"]
)
def test_it_draws_the_caption_at_the_camera(prompt):
    teacher = o.OracleTeacher(side=24, jitters=2)
    cond = teacher.embed([prompt]).at(views())
    caption = cond.captions[0]
    assert isinstance(caption, Caption)
    layers = render_groups(stack([truth(caption)] * 2), views(), 24, GROUPS)
    paint = torch.einsum("vghw,gc->vchw", layers[:, :GROUPS], slot_colors(caption.things))
    for background in (0.0, 1.0):
        picture = teacher.encode(paint + (1 - layers[:, GROUPS:]) * background)
        x_t = teacher.schedule.diffuse(picture, 0.05, torch.randn(picture.shape, generator=generator()))
        assert (teacher(x_t, torch.tensor(0.05), cond).x0 - picture).abs().mean() < 5e-3
        swapped = cond[torch.tensor([1, 0])]
        assert (teacher(x_t, torch.tensor(0.05), swapped).x0 - picture).abs().mean() > 2e-2


def test_patterns_and_relations_are_drawn():
    teacher = o.OracleTeacher(side=24, jitters=1)
    prompts = [
        "a red cube",
        "a red and gold spotted cube",
        "a red and gold striped cube",
        "a red and blue spotted cube",
    ]
    prompts += ["a red cube on a teal table", "a red cube next to a teal table"]
    shown = teacher.embed(prompts).at(views(1)[torch.zeros(6, dtype=torch.long)]).foreground
    assert shown is not None
    apart = (shown[:, None] - shown).abs().mean((-4, -3, -2, -1)) + torch.eye(6)
    assert apart.min() > 0.01


def test_samples_are_pictures_of_the_caption():
    """The whole path: guidance, sampler and teacher; a sample lies on the set of pictures, background included."""
    teacher = o.OracleTeacher(side=16, jitters=1)
    guided = Guided(teacher, teacher.embed(["a green cube"]), teacher.embed([""]), 1.0).at(views())
    x = torch.randn(2, 3, 16, 16, generator=generator(1))
    sample = last(DDIM()(guided, teacher.schedule, x, uniform_t(40)))
    cond = guided.cond
    assert isinstance(cond, o.OracleRows)
    foreground, through = cond.foreground[:, 0], 1 - cond.opacity[:, 0]
    background = ((sample - foreground) * through).sum((-2, -1), keepdim=True) / through.square().sum((-2, -1), True)
    assert (sample - foreground - through * background).abs().max() < 0.02
    assert background.std() > 0.1


def test_the_null_prompt_is_the_empty_scene():
    teacher = o.OracleTeacher(side=16)
    cond = teacher.embed([""]).at(views())
    assert not cond.opacity.any()
    assert not cond.foreground.any()
    x = torch.randn(2, 3, 16, 16, generator=generator(2)) + 0.3
    x0 = teacher(x, torch.tensor(0.5), cond).x0
    alpha = sigma = math.sqrt(0.5)
    shrink = alpha * o.BACKGROUND_VARIANCE * 256 / (sigma**2 + alpha**2 * o.BACKGROUND_VARIANCE * 256)
    assert torch.allclose(x0, (x.mean((-2, -1), keepdim=True) * shrink).expand_as(x), atol=1e-5)


def test_times_may_differ_by_sample():
    teacher = o.OracleTeacher(side=16, jitters=2)
    cond = teacher.embed(["a red cone"]).at(views())
    x, t = torch.randn(2, 3, 16, 16, generator=generator(3)), torch.tensor([0.2, 0.7], dtype=torch.float64)
    both = teacher(x, t, cond).x0
    for i in range(2):
        row = torch.tensor([i])
        assert torch.allclose(both[row], teacher(x[row], t[i], cond[row]).x0, atol=1e-5)
    assert both.isfinite().all()
    assert teacher(x, torch.tensor(0.0), cond).x0.isfinite().all()


def test_rows_are_selected_joined_and_bound():
    teacher = o.OracleTeacher(side=16, jitters=2)
    cone, null, cube = (teacher.embed([p]) for p in ("a red cone", "", "a blue cube"))
    rows = cone.cat(null).cat(cube)
    assert len(rows) == 3
    assert rows.captions == (*cone.captions, None, *cube.captions)
    assert rows[torch.tensor([2, 2, 0])].captions == (*cube.captions, *cube.captions, *cone.captions)
    bound = rows.at(views(3))
    for i, single in enumerate((cone, null, cube)):
        alone = single.at(views(3)[torch.tensor([i])])
        assert torch.equal(bound[torch.tensor([i])].foreground, alone.foreground)
        assert torch.equal(bound[torch.tensor([i])].opacity, alone.opacity)
    joined = bound.cat(bound[torch.tensor([1])])
    assert joined.foreground.shape == (4, 2, 3, 16, 16)
    assert torch.equal(joined.opacity[3], bound.opacity[1])
    assert len(cone.at(views(3))) == 3
    with pytest.raises(ValueError, match="3 prompts for 2 views"):
        rows.at(views(2))


def test_pictures_and_back():
    teacher = o.OracleTeacher(side=16)
    images = torch.rand(2, 3, 16, 16, generator=generator(4), requires_grad=True)
    assert torch.allclose(teacher.decode(teacher.encode(images)), images, atol=1e-6)
    small = teacher.encode(torch.rand(2, 3, 64, 64, generator=generator(5)))
    assert small.shape == (2, 3, 16, 16)
    assert torch.autograd.grad(teacher.encode(images).sum(), images)[0].eq(2).all()


def test_misuse_is_one_clear_line():
    teacher = o.OracleTeacher(side=16)
    with pytest.raises(ValueError, match=r"bind the prompt with \.at\(views\) first"):
        teacher(torch.zeros(1, 3, 16, 16), torch.tensor(0.5), teacher.embed(["a cube"]))
    with pytest.raises(ValueError, match="unknown word 'dragon'"):
        teacher.embed(["a dragon"])
    for wrong in ({"side": 0}, {"jitters": 0}):
        with pytest.raises(ValueError, match="side >= 1 and jitters >= 1"):
            o.OracleTeacher(**wrong)
