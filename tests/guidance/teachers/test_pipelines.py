"""Our samplers through our wrapper draw the same picture as diffusers' pipeline of that family, from the same seed."""

from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.diffusers_bridge import grid_of
from guidance.teacher import Guided, Views
from guidance.teachers.codecs import resized
from guidance.teachers.mvdream import Z_UP
from nerf.cameras import orbit
from samplers.methods.ddim import DDIM
from samplers.types import last
from tests.checkpoints import checkpoint
from tests.guidance.teachers.opened import opened, pipeline, prompt
from tests.multiview_unet import MultiViewUNet

STEPS = 5
CLOSE = {"rtol": 0, "atol": 1e-4}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@torch.no_grad()
def ours(name: str, scheduler: Any, scale: float, *, views: Views | None = None, size: int | None = None) -> Tensor:
    """Our picture (b, 3, 32, 32): DDIM, which on a rectified flow is Euler's method."""
    teacher = opened(name)
    text, null = teacher.embed([prompt(name)]), teacher.embed([""])
    guided = Guided(teacher, text, null, scale)
    count = 1 if views is None else len(views)
    noise = torch.randn(count, *teacher.shape, generator=generator())
    denoise = guided if views is None else guided.at(views)
    return teacher.decode(last(DDIM()(denoise, teacher.schedule, noise, grid_of(scheduler, STEPS, size=size))))


def theirs(pipe: Any, *arguments: Any, **options: Any) -> Tensor:
    images = pipe(*arguments, num_inference_steps=STEPS, generator=generator(), output_type="np", **options)[0]
    return torch.from_numpy(images).movedim(-1, 1)


def test_stable_diffusion():
    pipe = pipeline("stable_diffusion", "StableDiffusionPipeline")
    expected = theirs(pipe, "a red cube", guidance_scale=7.5)
    torch.testing.assert_close(ours("stable_diffusion", pipe.scheduler, 7.5), expected, **CLOSE)
    assert not torch.allclose(ours("stable_diffusion", pipe.scheduler, 6.5), expected, **CLOSE)  # w = scale - 1


def test_latent_consistency_reads_the_scale_as_an_input():
    pipe = pipeline("latent_consistency", "StableDiffusionPipeline")
    from diffusers import DDIMScheduler

    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    expected = theirs(pipe, "a red cube", guidance_scale=8.5)
    torch.testing.assert_close(ours("latent_consistency", pipe.scheduler, 1.0), expected, **CLOSE)
    assert not torch.allclose(theirs(pipe, "a red cube", guidance_scale=7.5), expected, **CLOSE)


def test_sdxl():
    pipe = pipeline("sdxl", "StableDiffusionXLPipeline")
    expected = theirs(pipe, "a red cube", guidance_scale=5.0)
    torch.testing.assert_close(ours("sdxl", pipe.scheduler, 5.0), expected, **CLOSE)
    cropped = theirs(pipe, "a red cube", guidance_scale=5.0, crops_coords_top_left=(8, 8))
    assert not torch.allclose(cropped, expected, **CLOSE)  # what is told of the crop matters


def test_stable_diffusion3():
    pipe = pipeline("stable_diffusion3", "StableDiffusion3Pipeline")
    expected = theirs(pipe, "a red cube", guidance_scale=5.0)
    torch.testing.assert_close(ours("stable_diffusion3", pipe.scheduler, 5.0), expected, **CLOSE)


def test_flux_reads_the_scale_as_an_input_and_shifts_by_size():
    pipe = pipeline("flux", "FluxPipeline")
    expected = theirs(pipe, "a red cube", guidance_scale=3.5, height=32, width=32)
    torch.testing.assert_close(ours("flux", pipe.scheduler, 1.0, size=64), expected, **CLOSE)
    assert not torch.allclose(ours("flux", pipe.scheduler, 1.0, size=4096), expected, **CLOSE)


def test_deepfloyd():
    from diffusers import DDIMScheduler

    pipe = pipeline("deepfloyd", "IFPipeline")
    # Thresholds are the sampler's business, and DDIM takes no learned variance.
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, thresholding=False, clip_sample=False)
    pipe.scheduler.register_to_config(variance_type="fixed_small")  # so that the pipeline drops it
    expected = theirs(pipe, "a red cube", guidance_scale=4.0, clean_caption=False)
    torch.testing.assert_close(ours("deepfloyd", pipe.scheduler, 4.0), expected, **CLOSE)


def test_unconditional():
    pipe = pipeline("ddpm", "DDIMPipeline")
    torch.testing.assert_close(ours("ddpm", pipe.scheduler, 1.0), theirs(pipe), **CLOSE)


def test_dit():
    pipe = pipeline("dit", "DiTPipeline")
    expected = theirs(pipe, pipe.get_label_ids(["goldfish"]), guidance_scale=4.0)
    torch.testing.assert_close(ours("dit", pipe.scheduler, 4.0), expected, **CLOSE)


def by_hand(scheduler: Any, latents: Tensor, scale: float, null: Any, cond: Any) -> Tensor:
    """The library's scheduler around two networks' calls (x, tick) -> eps; pipelines of these two are nobody's."""
    scheduler.set_timesteps(STEPS)
    for tick in scheduler.timesteps:
        low, high = null(latents, tick), cond(latents, tick)
        latents = scheduler.step(low + scale * (high - low), tick, latents).prev_sample
    return latents


@torch.no_grad()
def test_mvdream_is_the_published_network_on_joint_views():
    from safetensors.torch import load_file

    pipe = pipeline("stable_diffusion", "StableDiffusionPipeline")
    teacher, views = opened("mvdream"), orbit(4, elevation=0.3, distance=2.5, fov=0.7)
    network = MultiViewUNet().eval()
    network.load_state_dict(load_file(checkpoint("mvdream") / "unet" / "diffusion_pytorch_model.safetensors"))
    turned = torch.eye(4)
    turned[:3, :3] = Z_UP
    camera = views.c2w.clone()
    camera[:, :3, 3] /= 2.5
    camera = (turned @ camera).flatten(1)

    def eps(text: Tensor, together: int) -> Any:
        rows = text.expand(4, -1, -1)
        return lambda x, tick: network(x, tick.expand(4), rows, camera, together)

    words = [teacher.embed([p]).tensors["text"] for p in ("", "a red cube")]
    noise = torch.randn(4, *teacher.shape, generator=generator())
    found = ours("mvdream", pipe.scheduler, 5.0, views=views)
    joint = by_hand(pipe.scheduler, noise, 5.0, *(eps(w, 4) for w in words))
    torch.testing.assert_close(found, teacher.decode(joint), **CLOSE)
    apart = by_hand(pipe.scheduler, noise, 5.0, *(eps(w, 1) for w in words))
    assert not torch.allclose(found, teacher.decode(apart), **CLOSE)


@torch.no_grad()
def test_zero123_is_the_parts_put_together_by_hand():
    from safetensors.torch import load_file

    teacher, views = opened("zero123"), orbit(2, elevation=0.3, distance=3.7, fov=0.8)
    folder = checkpoint("zero123")
    bridge = load_file(folder / "cc_projection" / "diffusion_pytorch_model.safetensors")
    rows = teacher.embed([prompt("zero123")]).tensors
    unet: Any = teacher.network
    halfturn = torch.tensor([[-0.3, 0.0, 1.0, 0.0], [-0.3, 0.0, -1.0, 0.0]])  # up by 0.3; in front, then behind
    told = torch.cat([rows["seen"].expand(2, -1), halfturn], -1)
    token = (told @ bridge["projection.weight"].T + bridge["projection.bias"])[:, None]
    picture = rows["latent"].expand(2, -1, -1, -1)

    def cond(x: Tensor, tick: Tensor) -> Tensor:
        return unet(torch.cat([x, picture], 1), tick, token).sample

    def null(x: Tensor, tick: Tensor) -> Tensor:
        return unet(torch.cat([x, torch.zeros_like(x)], 1), tick, torch.zeros_like(token)).sample

    pipe = pipeline("stable_diffusion", "StableDiffusionPipeline")
    latents = by_hand(pipe.scheduler, torch.randn(2, *teacher.shape, generator=generator()), 3.0, null, cond)
    torch.testing.assert_close(ours("zero123", pipe.scheduler, 3.0, views=views), teacher.decode(latents), **CLOSE)


def test_pictures_of_any_size_are_brought_to_the_networks():
    square = torch.rand(1, 3, 32, 32, generator=generator())
    assert resized(square, 32) is square
    assert opened("stable_diffusion").encode(torch.rand(2, 3, 50, 50)).shape == (2, 4, 16, 16)


@pytest.mark.parametrize("name", ["stable_diffusion", "sdxl", "stable_diffusion3", "flux", "dit"])
def test_latents_are_those_of_the_pipelines_own_vae(name):
    """(mean - shift) * scale, with the numbers of the VAE's config."""
    vae: Any = opened(name).codec.vae
    pictures = torch.rand(2, 3, 32, 32, generator=generator())
    mean = vae.encode(pictures * 2 - 1).latent_dist.mean
    expected = (mean - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    torch.testing.assert_close(opened(name).encode(pictures), expected, rtol=0, atol=1e-6)
