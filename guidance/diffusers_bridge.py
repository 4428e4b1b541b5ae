"""Between our samplers and diffusers': either side's loop drives either side's model.

teacher = teacher_of(pipeline)                            # a pipeline in memory, behind our teacher protocol
last(DDIM()(Guided(teacher, cond, null, 7.5), teacher.schedule, noise, grid_of(pipeline.scheduler, 20)))
drive(scheduler, Guided(teacher, cond, null, 7.5), noise, 20)      # any of diffusers' schedulers, any denoiser
"""

import inspect
from typing import Any

import torch
from torch import Tensor

from guidance.teachers.diffusion import DiffusionTeacher, assemble
from guidance.teachers.loading import Loading
from guidance.teachers.parts import PipelineParts
from guidance.teachers.process import Process, read_process
from samplers.types import Denoiser


def teacher_of(pipeline: Any, loading: Loading | None = None) -> DiffusionTeacher:
    """One of diffusers' pipelines as a teacher, without copying anything: its networks, encoders and scheduler config.

    ValueError, in one line, where its class is of no family that `guidance.teachers` reads.
    """
    return assemble(PipelineParts(pipeline, loading or Loading()))


def grid_of(scheduler: Any, steps: int, *, size: int | None = None) -> Tensor:
    """The times that `scheduler` visits in `steps` steps, as a grid for our samplers: (steps + 1,) float64, decreasing.

    The last one is 0, or the first entry of the table where the scheduler stops there (`set_alpha_to_one=False`).
    size: tokens of a picture, for schedulers whose shift depends on it (`use_dynamic_shifting`). ValueError where the
    scheduler visits a time twice, as those with two calls a step do.
    """
    process = read_process(scheduler)
    _set(scheduler, steps, size)
    times = _times(process, scheduler.timesteps)
    stops = scheduler.config.get("set_alpha_to_one", True) is False
    end = 1 / process.ticks if stops and process.late else 0.0
    grid = torch.cat([times, torch.tensor([end], dtype=torch.float64)])
    if not bool((grid[1:] < grid[:-1]).all()):
        raise ValueError(f"{type(scheduler).__name__} visits a time twice in {steps} steps: no grid of a sampler does")
    return grid


@torch.no_grad()
def drive(
    scheduler: Any,
    denoise: Denoiser,
    noise: Tensor,
    steps: int,
    *,
    generator: torch.Generator | None = None,
    size: int | None = None,
) -> Tensor:
    """A sample (b, ...) by one of diffusers' schedulers from `noise`, standard normal, with any denoiser of ours.

    The scheduler and the denoiser must run on the same process. generator: for schedulers that draw. size: see
    `grid_of`.
    """
    process = read_process(scheduler)
    _set(scheduler, steps, size)
    takes = inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if "generator" in takes and generator is not None else {}
    x = noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    for tick, t in zip(scheduler.timesteps, _times(process, scheduler.timesteps), strict=True):
        seen = scheduler.scale_model_input(x, tick) if hasattr(scheduler, "scale_model_input") else x
        said = denoise(seen, t).read(process.kind)
        x = scheduler.step(said, tick, x, return_dict=False, **options)[0]
    return x


def _set(scheduler: Any, steps: int, size: int | None) -> None:
    config = scheduler.config
    if not config.get("use_dynamic_shifting"):
        scheduler.set_timesteps(steps)
        return
    if size is None:
        raise ValueError("this scheduler's shift depends on the size of the picture: give size, its number of tokens")
    low, high = config.base_image_seq_len, config.max_image_seq_len
    slope = (config.max_shift - config.base_shift) / (high - low)
    sigmas = [1 - i * (1 - 1 / steps) / max(steps - 1, 1) for i in range(steps)]  # from 1 to 1 / steps
    scheduler.set_timesteps(sigmas=sigmas, mu=config.base_shift + slope * (size - low))


def _times(process: Process, ticks: Tensor) -> Tensor:
    return (ticks.to("cpu", torch.float64) + process.late) / process.ticks
