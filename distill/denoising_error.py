"""How well a teacher denoises what it never saw: the error of E[x0 | x_t] on held-out captions, geometry and cameras.

The noise levels are fixed half log-SNRs, and x_t / alpha = x0 + exp(-lam) eps is the same for every process there, so
that the figures compare teachers across schedules and kinds of prediction, at equal picture sides. Every picture is
denoised three times from the same noise: told the truth, told another azimuth, and told nothing. How much worse the
second is than the first says how far the teacher follows the camera, the third how much it gets from being told.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from distill.catalog.captions import has_combination, phrase
from distill.catalog.pictures import Bank, render_shard
from distill.sources import colored
from guidance.teacher import CameraLaw, Cond, Teacher
from nerf.cameras import Cameras

LEVELS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
HELD_OUT_SHARD = 1_000_000  # of the geometry: no training reaches that far
BATCH = 32
PICTURES = 256


@dataclass(frozen=True, eq=False)
class DenoisingError:
    """Squared errors of x0, mean over a picture, in the teacher's own units (pictures in [-1, 1] for pixel teachers).

    levels: half log-SNRs (L). told, turned, untold: (L, n) float64, one column a picture; with the right text and
    camera, with the azimuth replaced by a random one, with no condition.
    """

    levels: tuple[float, ...]
    told: Tensor
    turned: Tensor
    untold: Tensor

    @property
    def camera(self) -> Tensor:
        """(L,): the error at a wrong azimuth over that at the right one; 1 for a teacher that is blind to it."""
        return self.turned.mean(1) / self.told.mean(1)

    @property
    def condition(self) -> Tensor:
        """(L,): the error without text and camera over that with them."""
        return self.untold.mean(1) / self.told.mean(1)

    def overall(self, low: float = -math.inf, high: float = math.inf) -> dict[str, float]:
        """Geometric means over the levels from `low` to `high`: of `told`, as "error", and of the two ratios."""
        within = torch.tensor([low <= lam <= high for lam in self.levels])
        rows = {"error": self.told.mean(1), "camera": self.camera, "condition": self.condition}
        return {name: float(row[within].log().mean().exp()) for name, row in rows.items()}


@torch.no_grad()
def denoising_error(
    teacher: Teacher,
    bank: Bank,
    *,
    count: int = PICTURES,
    seed: int = 0,
    levels: tuple[float, ...] = LEVELS,
    device: torch.device | str = "cpu",
) -> DenoisingError:
    """The errors on `count` different scenes of `bank` in held-out colors, told apart by `seed` alone.

    ValueError, in one line, where the teacher takes no camera, its process lacks a level, it does not know what the
    bank shows, or `bank` has fewer such scenes.
    """
    law = teacher.cameras
    if law is None:
        raise ValueError(
            "this teacher takes no camera; its error can be measured on the catalog's pictures only if it does"
        )
    end = float(teacher.schedule.lam(1.0))
    if min(levels) < end:
        raise ValueError(f"level {min(levels)} is past the end of the teacher's process, at half log-SNR {end:.3g}")
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([i for i in range(len(bank)) if has_combination(bank.layout(i), held_out=True)])
    if not 1 <= count <= len(rows):
        raise ValueError(f"count must be 1 to {len(rows)}, the bank's scenes with held-out colors, got {count}")
    parts = []
    for index in rows[torch.randperm(len(rows), generator=generator)[:count]].split(BATCH):
        pictures, captions = colored(bank, index, generator, held_out=True)
        conds = _conditions(teacher, [phrase(c) for c in captions], bank.cameras[index].to(device), law, generator)
        x0 = teacher.encode(pictures.to(device))
        eps = torch.randn(x0.shape, generator=generator).to(device)
        parts.append(torch.stack([_errors(teacher, x0, eps, lam, conds) for lam in levels]))
    return DenoisingError(levels, *torch.cat(parts, -1).unbind(1))


def held_out_bank(side: int) -> Bank:
    """Scenes of `side` px that no training has shown, rendered anew, which takes seconds."""
    return render_shard(HELD_OUT_SHARD, side)


def _conditions(
    teacher: Teacher, prompts: list[str], cameras: Cameras, law: CameraLaw, generator: torch.Generator
) -> tuple[Cond, Cond, Cond]:
    """Told, turned, untold."""
    try:
        text = teacher.embed(prompts)
    except ValueError as error:
        raise ValueError(f"the teacher does not know all that the catalog shows: {error}") from error
    low, high = law.azimuth
    azimuth = low + (high - low) * torch.rand(len(prompts), generator=generator).to(cameras.azimuth)
    turned = replace(cameras, azimuth=azimuth)
    return text.at(cameras), text.at(turned), teacher.embed([""]).at(cameras)


def _errors(teacher: Teacher, x0: Tensor, eps: Tensor, lam: float, conds: tuple[Cond, ...]) -> Tensor:
    """(conditions, b) float64."""
    t = teacher.schedule.t_of_lam(lam)
    x_t = teacher.schedule.diffuse(x0, t, eps)
    found = [teacher(x_t, t, cond).x0 for cond in conds]
    return torch.stack([(x - x0).double().square().flatten(1).mean(1).cpu() for x in found])
