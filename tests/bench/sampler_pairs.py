"""Our samplers beside the schedulers of diffusers that do the same, for the bench of their overhead."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import diffusers
import torch

from samplers.methods.ddim import DDIM
from samplers.methods.ddpm import DDPM
from samplers.methods.deis import DEIS
from samplers.methods.dpm_solver import DPMSolver
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.dpmpp_sde import SDEDPMSolverPP
from samplers.methods.edm_euler import EDMEuler
from samplers.methods.heun import Heun
from samplers.methods.ipndm import IPNDM
from samplers.methods.plms import PLMS
from samplers.methods.pndm import PNDM
from samplers.methods.unipc import UniPC

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
TABLE = tuple(torch.cumprod(1 - BETAS, 0).tolist())


@dataclass(frozen=True)
class Pair:
    """A sampler of ours, a maker of diffusers' scheduler, and whether that one draws noise."""

    name: str
    sampler: Any
    scheduler: Callable[[], Any]
    draws: bool = False


def made(kind: str, **settings: Any) -> Callable[[], Any]:
    return partial(getattr(diffusers, kind), timestep_spacing="trailing", **settings)


MULTI = "DPMSolverMultistepScheduler"
SINGLE = partial(diffusers.DPMSolverSinglestepScheduler, lower_order_final=True)
PAIRS = (
    Pair("ddim", DDIM(), made("DDIMScheduler", clip_sample=False)),
    Pair("ddpm", DDPM(), made("DDPMScheduler", clip_sample=False), draws=True),
    Pair("dpmpp 2M", DPMSolverPP(), made(MULTI)),
    Pair("dpmpp 3M", DPMSolverPP(memory=3), made(MULTI, solver_order=3)),
    Pair("dpmpp 2S", DPMSolverPP(singlestep=True), SINGLE),
    Pair(
        "dpm_solver 2M",
        DPMSolver(multistep=True),
        made(MULTI, algorithm_type="dpmsolver", final_sigmas_type="sigma_min"),
    ),
    Pair("dpmpp_sde 2M", SDEDPMSolverPP(), made(MULTI, algorithm_type="sde-dpmsolver++"), draws=True),
    Pair("unipc 2", UniPC(p=2), made("UniPCMultistepScheduler", solver_order=2)),
    Pair("unipc 3", UniPC(p=3), made("UniPCMultistepScheduler", solver_order=3)),
    Pair("deis 2", DEIS(memory=2, axis="log_rho"), made("DEISMultistepScheduler", solver_order=2)),
    Pair("deis 3", DEIS(memory=3, axis="log_rho"), made("DEISMultistepScheduler", solver_order=3)),
    Pair("heun", Heun(), made("HeunDiscreteScheduler")),
    Pair("euler", EDMEuler(), made("EulerDiscreteScheduler")),
    Pair("plms", PLMS(), made("PNDMScheduler", skip_prk_steps=True)),
    Pair("pndm", PNDM(), made("PNDMScheduler", skip_prk_steps=False)),
    Pair("ipndm", IPNDM(), partial(diffusers.IPNDMScheduler, num_train_timesteps=1000)),
)
"""DPM-Solver without ++ stops at the last entry of the table in diffusers, ours goes on to 0: the work is the same."""
