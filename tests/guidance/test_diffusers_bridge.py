"""Their schedulers around our denoisers, our samplers around their pipelines."""

from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.diffusers_bridge import drive, grid_of, teacher_of
from guidance.teacher import Guided
from guidance.teachers.mixture import Mixture
from guidance.teachers.process import read_process
from samplers.methods.ddim import DDIM
from samplers.methods.dpmpp import DPMSolverPP
from samplers.schedule import RectifiedFlow
from samplers.types import last
from tests.guidance.teachers.opened import opened, pipeline

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def scheduler(kind: str, **settings: Any) -> Any:
    import diffusers

    own = {} if kind.startswith("FlowMatch") else BETAS
    return getattr(diffusers, kind)(**{**own, **settings})


def mixture(process: Any) -> Guided:
    """Two modes, guided: an exact denoiser of ours on that process."""
    means = torch.tensor([-0.5, 0.7]).view(2, 1, 1, 1).expand(2, 1, 2, 2).clone()
    teacher = Mixture(process.schedule, torch.ones(2), means, torch.full_like(means, 0.02), {"a": [1]}, process.kind)
    return Guided(teacher, teacher.embed(["a"]), teacher.embed([""]), 2.0)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


SCHEDULERS = [
    ("DDIMScheduler", {"clip_sample": False}),
    ("EulerDiscreteScheduler", {}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("PNDMScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverSinglestepScheduler", {}),
    ("UniPCMultistepScheduler", {}),
    ("DEISMultistepScheduler", {}),
    ("EulerDiscreteScheduler", {"prediction_type": "v_prediction", "use_karras_sigmas": True}),
    ("EulerDiscreteScheduler", {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
]


@pytest.mark.parametrize(("kind", "settings"), SCHEDULERS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_every_scheduler_draws_from_an_exact_denoiser(kind, settings):
    """Guided toward one of two modes, every sample ends there, at the guided mode's place and width."""
    made = scheduler(kind, **settings)
    process = read_process(made)
    x = drive(made, mixture(process), noise(64, 1, 2, 2), 30, generator=torch.Generator().manual_seed(0))
    assert abs(float(x.mean()) - 0.7) < 0.1
    assert 0.05 < float(x.std()) < 0.25


def test_their_euler_on_a_flow_and_their_ddim_are_our_ddim():
    for made in (
        scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0),
        scheduler("DDIMScheduler", clip_sample=False, timestep_spacing="trailing"),
        scheduler("DDIMScheduler", clip_sample=False, set_alpha_to_one=False, steps_offset=1),
    ):
        process = read_process(made)
        denoise, start = mixture(process), noise(8, 1, 2, 2)
        ours = last(DDIM()(denoise, process.schedule, start, grid_of(made, 10)))
        torch.testing.assert_close(drive(made, denoise, start, 10), ours, rtol=0, atol=2e-5)


def test_their_dpm_solver_is_ours():
    made = scheduler("DPMSolverMultistepScheduler", timestep_spacing="trailing", final_sigmas_type="zero")
    process = read_process(made)
    denoise, start = mixture(process), noise(8, 1, 2, 2)
    ours = last(DPMSolverPP()(denoise, process.schedule, start, grid_of(made, 20)))
    torch.testing.assert_close(drive(made, denoise, start, 20), ours, rtol=0, atol=2e-3)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_a_scheduler_around_our_teacher_is_the_pipeline_with_that_scheduler(kind):
    pipe, teacher = pipeline("stable_diffusion", "StableDiffusionPipeline"), opened("stable_diffusion")
    before, pipe.scheduler = pipe.scheduler, scheduler(kind, steps_offset=1)
    try:
        generator = torch.Generator().manual_seed(2)
        images = pipe("a red cube", num_inference_steps=5, generator=generator, output_type="np")[0]
    finally:
        pipe.scheduler = before
    g = Guided(teacher, teacher.embed(["a red cube"]), teacher.embed([""]), 7.5)
    found = teacher.decode(drive(scheduler(kind, steps_offset=1), g, noise(1, 4, 16, 16), 5))
    torch.testing.assert_close(found, torch.from_numpy(images).movedim(-1, 1), rtol=0, atol=1e-4)


@torch.no_grad()
def test_latent_consistency_as_its_own_pipeline_samples_it():
    pipe, teacher = pipeline("latent_consistency", "LatentConsistencyModelPipeline"), opened("latent_consistency")
    generator = torch.Generator().manual_seed(2)
    images = pipe("a red cube", num_inference_steps=4, generator=generator, output_type="np")[0]
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(1, 4, 16, 16, generator=generator)
    made = type(pipe.scheduler).from_config(pipe.scheduler.config)
    rows = teacher.embed(["a red cube"])
    found = teacher.decode(drive(made, lambda x, t: teacher(x, t, rows), start, 4, generator=generator))
    torch.testing.assert_close(found, torch.from_numpy(images).movedim(-1, 1), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("name", "kind"), [("sdxl", "StableDiffusionXLPipeline"), ("dit", "DiTPipeline")])
def test_a_pipeline_in_memory_is_the_teacher_from_its_folder(name, kind):
    pipe = pipeline(name, kind)
    teacher, kept = teacher_of(pipe), opened(name)
    assert teacher.network is getattr(pipe, kept.family.network)
    words = "goldfish" if name == "dit" else "a red cube"
    x, pictures = noise(1, *kept.shape), torch.rand(1, 3, 32, 32)
    for prompt in (words, ""):
        told = teacher(x, 0.5, teacher.embed([prompt])).value
        torch.testing.assert_close(told, kept(x, 0.5, kept.embed([prompt])).value, rtol=0, atol=1e-6)
    torch.testing.assert_close(teacher.encode(pictures), kept.encode(pictures), rtol=0, atol=1e-6)


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="visits a time twice"):
        grid_of(scheduler("HeunDiscreteScheduler"), 5)
    with pytest.raises(ValueError, match="give size"):
        grid_of(scheduler("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True), 5)


def test_times_are_the_ticks():
    """Entry k of a table holds at (k + 1) / T, and a whole tick reads back as itself."""
    process = read_process(scheduler("DDIMScheduler"))
    ticks = torch.tensor([0, 1, 500, 999])
    t = (ticks.double() + 1) / 1000
    assert torch.equal(process.clock(t), ticks.float())
    table = scheduler("DDIMScheduler").alphas_cumprod.double()
    torch.testing.assert_close(process.schedule.alpha(t) ** 2, table[ticks], rtol=1e-12, atol=0)
    assert float(process.clock(torch.tensor(1e-5))) == 0
    flow = read_process(scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0))
    assert (flow.schedule, flow.kind, float(flow.clock(torch.tensor(0.25)))) == (RectifiedFlow(), "flow", 250.0)


def test_zero_terminal_snr_is_the_rescaled_table():
    """sqrt(alpha^2) shifted to end at 0 and scaled to begin where it did (Lin et al. 2023, 2305.08891, algorithm 1)."""
    plain = scheduler("DDIMScheduler").alphas_cumprod.double().sqrt()
    expected = ((plain - plain[-1]) * plain[0] / (plain[0] - plain[-1])) ** 2
    process = read_process(scheduler("DDIMScheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction"))
    t = torch.arange(1, 1000, dtype=torch.float64) / 1000
    torch.testing.assert_close(process.schedule.alpha(t) ** 2, expected[:-1], rtol=2e-3, atol=1e-7)
    assert float(process.schedule.alpha(1.0)) == pytest.approx(2.0**-12)
    assert float(read_process(scheduler("DDIMScheduler")).schedule.alpha(1.0)) > 0.05
