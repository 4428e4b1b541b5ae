"""How well a teacher knows x0 at every noise level, for samplers and schedules that depend on it; once per teacher."""

from collections.abc import Iterator

import torch
from torch import Tensor

from distill.catalog.captions import phrase
from distill.catalog.pictures import render_bank
from distill.sources import colored
from guidance.teacher import Guided, Teacher
from samplers.grids import to_clean, trained_range, uniform_lam
from samplers.methods.dpmpp import DPMSolverPP
from samplers.statistics import DenoisingStatistics, estimate
from samplers.types import Denoiser, last

COUNT, BATCH = 64, 32
STEPS = 25


@torch.no_grad()
def teacher_statistics(
    teacher: Teacher, *, count: int = COUNT, seed: int = 0, device: torch.device | str = "cpu"
) -> DenoisingStatistics:
    """Of `teacher` over `count` pictures, without guidance.

    A teacher that takes a camera is measured on pictures of the catalog, told what they show and from where. What
    another one was trained on is not known here: it is measured on its own samples of the unconditional prompt.
    ValueError, in one line, where the teacher does not know what the catalog shows.
    """
    generator = torch.Generator().manual_seed(seed)
    sources = _catalog if teacher.cameras is not None else _own
    return estimate(sources(teacher, count, generator, device), teacher.schedule, generator)


def _catalog(
    teacher: Teacher, count: int, generator: torch.Generator, device: torch.device | str
) -> Iterator[tuple[Denoiser, Tensor]]:
    bank = render_bank(count, teacher.shape[-1], generator)
    for index in torch.arange(count).split(BATCH):
        pictures, captions = colored(bank, index, generator)
        cond = teacher.embed([phrase(c) for c in captions]).at(bank.cameras[index].to(device))
        yield Guided(teacher, cond, cond, 1.0), teacher.encode(pictures.to(device))


def _own(
    teacher: Teacher, count: int, generator: torch.Generator, device: torch.device | str
) -> Iterator[tuple[Denoiser, Tensor]]:
    null = teacher.embed([""])
    denoise = Guided(teacher, null, null, 1.0)
    start, end = trained_range(teacher.schedule)
    grid = to_clean(uniform_lam(teacher.schedule, STEPS - 1, start=start, end=end))
    for index in torch.arange(count).split(BATCH):
        eps = torch.randn(len(index), *teacher.shape, generator=generator).to(device)
        noise = float(teacher.schedule.sigma(start)) * eps
        yield denoise, last(DPMSolverPP()(denoise, teacher.schedule, noise, grid))
