"""What a checkpoint's own configs decide, and the gradient that a picture gets, written out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.diffusers_bridge import grid_of
from guidance.objective import as_loss
from guidance.objectives.sds import SDS
from guidance.prompts import guide
from guidance.teacher import Guided
from guidance.teachers.diffusion import fits, open_checkpoint, precision
from guidance.teachers.loading import USUAL, Loading
from guidance.teachers.parts import FolderParts
from nerf.cameras import orbit
from samplers.methods.ddim import DDIM
from samplers.schedule import RectifiedFlow
from samplers.types import last
from tests.checkpoints import checkpoint
from tests.guidance.teachers.opened import CPU, FAMILIES, TAKES_CAMERAS, copied, opened, pipeline, prompt

LOADING = Loading(teacher_pixels=32)


def guided(name: str, scale: float) -> Guided:
    """For four views."""
    teacher = opened(name)
    found = Guided(teacher, teacher.embed([prompt(name)]), teacher.embed([""]), scale)
    return found.at(orbit(4, elevation=0.2, distance=2.5, fov=0.7))


def encoded(name: str, pictures: Tensor) -> Tensor:
    """By hand, for pictures of the teacher's own size."""
    codec: Any = opened(name).codec
    if not hasattr(codec, "vae"):
        return pictures * 2 - 1
    config = codec.vae.config
    mean = codec.vae.encode(pictures * 2 - 1).latent_dist.mean
    return (mean - (config.shift_factor or 0)) * config.scaling_factor


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_of_sds_is_the_one_written_out_by_hand(name):
    teacher, scale = opened(name), 3.0
    g = guided(name, scale)
    generator = torch.Generator().manual_seed(5)
    pictures = torch.rand(4, 3, 32, 32, generator=generator).requires_grad_()
    ticks = torch.tensor([99, 399, 499, 899])
    t = (ticks + 1).double() / 1000
    if teacher.cameras is not None and teacher.cameras.together > 1:
        ticks, t = ticks[2].expand(4), t[2].expand(4)
    noise = torch.randn(1, 4, *teacher.shape, generator=generator)

    x = teacher.encode(pictures)
    loss = as_loss(x, SDS()(x.detach(), g, t, noise))
    (found,) = torch.autograd.grad(loss, pictures)

    flow = isinstance(teacher.schedule, RectifiedFlow)
    scheduler: Any = None if flow else pipeline_scheduler(name)
    square = ((1 - t) ** 2 if flow else scheduler.alphas_cumprod[ticks]).float().view(4, 1, 1, 1)
    sigma = t.float().view(4, 1, 1, 1) if flow else (1 - square).sqrt()
    clock = {"flux": t.float()}.get(name, t.float() * 1000 if flow else ticks.float())
    x = encoded(name, pictures)
    x_t = square.sqrt() * x + sigma * noise[0]

    def eps(rows: Any, x_t: Tensor) -> Tensor:
        said = teacher.evaluate(teacher.network, x_t, clock, rows)[:, : x.shape[1]]
        return x_t + square.sqrt() * said if flow else said

    low, high = (eps(rows, x_t.detach()) for rows in (g.null, g.cond))
    weight = sigma**2 / (square + sigma**2)
    residual = weight * (low + scale * (high - low) - noise[0])
    (expected,) = torch.autograd.grad((residual.detach() * x).sum() * 16384 / x.numel(), pictures, retain_graph=True)
    size = expected.abs().max()
    assert float(size) > 1e-3
    torch.testing.assert_close(found / size, expected / size, rtol=0, atol=1e-5)
    # the mutant that goes through the network, and the one with the noise forgotten
    through = (weight * (eps(g.cond, x_t) - noise[0])).square().sum() / 2
    (mutant,) = torch.autograd.grad(through * 16384 / x.numel(), pictures, retain_graph=True)
    assert not torch.allclose(found / size, mutant / size, atol=1e-2)
    forgotten = ((residual + weight * noise[0]).detach() * x).sum() * 16384 / x.numel()
    assert not torch.allclose(found / size, torch.autograd.grad(forgotten, pictures)[0] / size, atol=1e-2)


def pipeline_scheduler(name: str) -> Any:
    """The checkpoint's own, opened by the library alone."""
    import diffusers

    kind = {"latent_consistency": "LCMScheduler", "deepfloyd": "DDPMScheduler", "ddpm": "DDPMScheduler"}
    cls = getattr(diffusers, kind.get(name, "DDIMScheduler"))
    return cls.from_pretrained(checkpoint(name), subfolder="scheduler", local_files_only=True)


CHANGED = {
    "v": {"prediction_type": "v_prediction"},
    "x0": {"prediction_type": "sample"},
    "schedule": {"beta_schedule": "linear", "beta_end": 0.02},
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGED)
def test_prediction_and_schedule_are_the_schedulers_own(tmp_path, change):
    """A pipeline of the library with that scheduler draws another picture than before, and so do we: the same one."""
    from diffusers import DDIMScheduler

    folder = copied("stable_diffusion", tmp_path / "changed", scheduler=CHANGED[change])
    teacher = open_checkpoint(folder, USUAL, CPU)
    assert teacher.process.kind == {"v": "v", "x0": "x0"}.get(change, "eps")
    pipe = pipeline("stable_diffusion", "StableDiffusionPipeline")
    before = pipe.scheduler
    pipe.scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    try:
        generator = torch.Generator().manual_seed(1)
        images = pipe("a red cube", num_inference_steps=4, generator=generator, output_type="np")[0]
    finally:
        pipe.scheduler = before
    g = Guided(teacher, teacher.embed(["a red cube"]), teacher.embed([""]), 7.5)
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    expected = torch.from_numpy(images).movedim(-1, 1)
    changed = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    found = teacher.decode(last(DDIM()(g, teacher.schedule, noise, grid_of(changed, 4))))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    usual = opened("stable_diffusion")
    other = usual.decode(last(DDIM()(replace(g, teacher=usual), usual.schedule, noise, grid_of(before, 4))))
    assert not torch.allclose(found, other, atol=1e-3)


def test_scale_and_shift_are_the_vaes_own(tmp_path):
    folder = copied("stable_diffusion", tmp_path / "changed", vae={"scaling_factor": 0.5, "shift_factor": 0.25})
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    usual, changed = opened("stable_diffusion"), open_checkpoint(folder, USUAL, CPU)
    raw = usual.encode(pictures) / 0.18215
    torch.testing.assert_close(changed.encode(pictures), (raw - 0.25) * 0.5, rtol=0, atol=1e-5)
    torch.testing.assert_close(changed.decode((raw - 0.25) * 0.5), usual.decode(raw * 0.18215), rtol=0, atol=1e-5)


def test_latents_normalized_channel_by_channel(tmp_path):
    mean, std = [0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]
    folder = copied("stable_diffusion", tmp_path / "changed", vae={"latents_mean": mean, "latents_std": std})
    pictures = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    raw = opened("stable_diffusion").encode(pictures) / 0.18215
    expected = (raw - torch.tensor(mean).view(1, 4, 1, 1)) * 0.18215 / torch.tensor(std).view(1, 4, 1, 1)
    found = open_checkpoint(folder, USUAL, CPU)
    torch.testing.assert_close(found.encode(pictures), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_guidance_as_an_input_is_read_where_the_config_has_it():
    """Latent consistency and Flux answer to the scale that they are told; Stable Diffusion has no such input."""
    for name, answers in (("latent_consistency", True), ("flux", True), ("stable_diffusion", False)):
        teacher = opened(name)
        x = torch.randn(1, *teacher.shape, generator=torch.Generator().manual_seed(1))
        rows = teacher.embed(["a red cube"])
        other = replace(teacher, evaluate=replace(teacher.evaluate, scale=2.0))
        same = torch.equal(teacher(x, 0.5, rows).value, other(x, 0.5, rows).value)
        assert same is not answers


@torch.no_grad()
def test_flux_without_guidance_input(tmp_path):
    from diffusers import FluxTransformer2DModel

    folder = copied("flux", tmp_path / "schnell")
    config = FluxTransformer2DModel.load_config(folder, subfolder="transformer", local_files_only=True)
    plain = FluxTransformer2DModel.from_config(config, guidance_embeds=False)
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    plain.save_pretrained(folder / "transformer")
    teacher = open_checkpoint(folder, LOADING, CPU)
    assert teacher(torch.randn(1, *teacher.shape), 0.5, teacher.embed(["a red cube"])).kind == "flow"


def test_the_empty_prompt_of_sdxl_is_zeros_where_the_config_says_so():
    found = opened("sdxl").embed(["", "a red cube"]).tensors
    for rows in found.values():
        assert not rows[0].any()
        assert rows[1].any()


def test_a_vae_that_overflows_stays_in_32_bits():
    teacher: Any = open_checkpoint(checkpoint("sdxl"), Loading(dtype="float16"), CPU)
    assert (teacher.codec.vae.dtype, teacher.network.dtype) == (torch.float32, torch.float16)
    plain: Any = open_checkpoint(checkpoint("stable_diffusion"), Loading(dtype="float16"), CPU)
    assert plain.codec.vae.dtype == torch.float16
    x = plain.encode(torch.rand(1, 3, 32, 32))
    assert x.dtype == torch.float32
    assert plain(x, 0.5, plain.embed(["a red cube"])).value.dtype == torch.float32


@torch.no_grad()
def test_savings_of_memory_change_nothing():
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    usual = opened("stable_diffusion")
    expected = usual(x, 0.5, usual.embed(["a red cube", ""])).value
    for loading in (Loading(attention_slicing=True), Loading(offload=True), Loading(vae_tiling=True)):
        teacher = open_checkpoint(checkpoint("stable_diffusion"), loading, CPU)
        found = teacher(x, 0.5, teacher.embed(["a red cube", ""])).value
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        if loading.vae_tiling:
            assert teacher.codec.vae.use_tiling
    with pytest.raises(ValueError, match="no attention slicing"):
        open_checkpoint(checkpoint("ddpm"), Loading(attention_slicing=True), CPU)


def test_encoders_are_gone_when_the_network_runs():
    teacher: Any = open_checkpoint(checkpoint("stable_diffusion"), USUAL, CPU)
    rows = teacher.embed([f"a new prompt {torch.rand(1).item()}"])
    book = teacher.prompts.__self__
    assert book.open
    teacher(torch.randn(1, 4, 16, 16), 0.5, rows)
    assert not book.open


@torch.no_grad()
@pytest.mark.parametrize("name", FAMILIES)
def test_view_words_negatives_and_rescale_work_on_all(name):
    """A negative and view negatives change the direction; without them it is that of plain guidance."""
    teacher, views = opened(name), orbit(4, elevation=0.2, distance=2.5, fov=0.7)
    generator = torch.Generator().manual_seed(6)
    x, noise = (
        torch.randn(4, *teacher.shape, generator=generator),
        torch.randn(1, 4, *teacher.shape, generator=generator),
    )
    negative = {"dit": "tench", "zero123": ""}.get(name, "a blue ball")
    view_negatives = 1.0 if teacher.cameras is None else 0.0
    objective, t = SDS(weighting="x0", rescale=0.5), torch.full((4,), 0.5, dtype=torch.float64)

    def direction(**options: Any) -> Tensor:
        return objective(x, guide(teacher, prompt(name), scale=5.0, **options).at(views), t, noise).grad

    plain, pushed = direction(), direction(negative=negative, perp_neg=view_negatives)
    assert bool(pushed.isfinite().all())
    reads = teacher.family.reads
    assert torch.allclose(plain, pushed, rtol=0, atol=1e-4) is (reads in ("nothing", "picture"))
    rows = next(iter(guide(teacher, prompt(name), scale=5.0).at(views).cond.tensors.values()))
    differ = not torch.equal(rows[0], rows[2])  # from the front, from behind
    assert differ is (reads == "text" and teacher.cameras is None)


def test_a_distillation_can_start_from_a_copy():
    """What a student needs: the same teacher around a network that learns."""
    import copy

    teacher = opened("ddpm")
    student = replace(teacher, network=copy.deepcopy(teacher.network).requires_grad_(True))
    x, rows = torch.randn(1, 3, 32, 32), teacher.embed([""])
    assert torch.equal(student(x, 0.5, rows).value, teacher(x, 0.5, rows).value)
    student(x, 0.5, rows).x0.sum().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in student.network.parameters())
    assert all(p.grad is None for p in teacher.network.parameters())


@pytest.mark.parametrize("name", TAKES_CAMERAS)
def test_a_teacher_of_cameras_wants_them(name):
    teacher = opened(name)
    with pytest.raises(ValueError, match="bind its prompts to views"):
        teacher(torch.randn(4, *teacher.shape), 0.5, teacher.embed([prompt(name)] * 4))


def test_joint_views_come_whole():
    teacher = opened("mvdream")
    rows = teacher.embed(["a"]).at(orbit(2, elevation=0.0, distance=2.5, fov=0.7))
    with pytest.raises(ValueError, match="4 views together, and 2"):
        teacher(torch.randn(2, *teacher.shape), 0.5, rows)


def test_classes_by_name_and_number():
    teacher = opened("dit")
    labels = teacher.embed(["goldfish", "Tinca tinca", "207", ""]).tensors["label"]
    assert labels.tolist() == [1, 0, 207, 1000]
    with pytest.raises(ValueError, match=r"1000 classes.*'goldfisch' is none of them; near: goldfish"):
        teacher.embed(["goldfisch"])


def test_a_picture_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="is no picture file"):
        opened("zero123").embed([str(tmp_path / "none.png")])


def test_a_network_for_another_task_is_refused():
    parts = FolderParts(checkpoint("stable_diffusion"), USUAL, CPU, torch.float32)
    with pytest.raises(ValueError, match="takes 8 channels where Stable Diffusion 1 and 2 takes 4"):
        fits(opened("zero123").network, 4, parts)


@pytest.mark.parametrize(
    ("name", "pixels", "says"), [("stable_diffusion", 33, "multiple of 2"), ("flux", 34, "steps of 4")]
)
def test_sizes_that_cannot_be_are_one_line(name, pixels, says):
    with pytest.raises(ValueError, match=says):
        open_checkpoint(checkpoint(name), Loading(teacher_pixels=pixels), CPU)


def test_precision_follows_the_device():
    assert precision(USUAL, CPU) == torch.float32
    assert precision(Loading(dtype="bfloat16"), CPU) == torch.bfloat16
    assert precision(USUAL, torch.device("mps")) == torch.float16


def test_a_folder_is_loaded_from_the_folder_alone(tmp_path, monkeypatch):
    """No connection is even tried."""
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder: Path = copied("stable_diffusion", tmp_path / "moved")
    teacher = open_checkpoint(folder, USUAL, CPU)
    assert teacher.embed(["never seen before"]).tensors["text"].shape[0] == 1
