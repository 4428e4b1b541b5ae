"""The configurations of diffusers' schedulers that our samplers are compared with, and those that are left out."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from samplers.methods.ddim import DDIM
from samplers.methods.ddpm import DDPM
from samplers.methods.deis import DEIS
from samplers.methods.dpm_solver import DPMSolver
from samplers.methods.dpm_solver_fast import DPMSolverFast
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.dpmpp_sde import SDEDPMSolverPP
from samplers.methods.edm_euler import EDMEuler
from samplers.methods.heun import Heun
from samplers.methods.pf_ode import ProbabilityFlow
from samplers.methods.plms import PLMS
from samplers.methods.pndm import PNDM
from samplers.methods.unipc import UniPC
from samplers.types import Sampler

SPACINGS = ("linspace", "leading", "trailing")


@dataclass(frozen=True, eq=False)
class Case:
    """One configuration of theirs and what we say it is. `scaled`: their state is x / alpha."""

    scheduler: str
    options: dict[str, Any]
    steps: int
    ours: Sampler
    scaled: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        values = [f"{k}={v}" for k, v in {**self.options, **self.extra}.items() if k != "sample_max_value"]
        return "-".join([self.scheduler.removesuffix("Scheduler"), *values, str(self.steps)])


# What is generated


def options(**choices: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def multistep() -> Iterator[Case]:
    for o in options(
        algorithm_type=("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"),
        solver_order=(1, 2, 3),
        solver_type=("midpoint", "heun"),
        prediction_type=("epsilon", "sample", "v_prediction"),
        timestep_spacing=SPACINGS,
        lower_order_final=(True, False),
        final_sigmas_type=("zero", "sigma_min"),
        thresholding=(False, True),
    ):
        plus = o["algorithm_type"].endswith("++")
        if not plus and (o["final_sigmas_type"] == "zero" or o["thresholding"]):
            continue  # refused by them
        if o["algorithm_type"] == "sde-dpmsolver" and o["solver_order"] == 3:
            continue  # not written there
        for steps in (6, 16):
            form = "exact" if o["solver_type"] == "heun" else "midpoint"
            common = {"form": form, "published": True, "taper": 3 if o["lower_order_final"] and steps < 15 else 0}
            if o["algorithm_type"] == "dpmsolver":
                ours = DPMSolver(stages=o["solver_order"], multistep=True, **common)
            elif o["algorithm_type"] == "dpmsolver++":
                ours = DPMSolverPP(memory=o["solver_order"], **common)
            else:
                ours = SDEDPMSolverPP(memory=o["solver_order"], of="x0" if plus else "eps", **common)
            yield Case("DPMSolverMultistepScheduler", o, steps, ours)


def singlestep() -> Iterator[Case]:
    for o in options(
        algorithm_type=("dpmsolver", "dpmsolver++"),
        solver_order=(1, 2, 3),
        solver_type=("midpoint", "heun"),
        prediction_type=("epsilon", "sample", "v_prediction"),
        lower_order_final=(True, False),
        final_sigmas_type=("zero", "sigma_min"),
        thresholding=(False, True),
    ):
        plus = o["algorithm_type"] == "dpmsolver++"
        if not plus and (o["final_sigmas_type"] == "zero" or o["thresholding"]):
            continue
        if o["final_sigmas_type"] == "zero" and not o["lower_order_final"]:
            continue  # they turn lower_order_final on
        form = "exact" if o["solver_type"] == "heun" else "midpoint"
        of = "x0" if plus else "eps"
        for steps in (6, 7, 8):
            if o["lower_order_final"] or steps % o["solver_order"] == 0:
                ours = DPMSolverFast(stages=o["solver_order"], of=of, form=form, taper=o["lower_order_final"])
                yield Case("DPMSolverSinglestepScheduler", o, steps, ours)


def unipc() -> Iterator[Case]:
    for o in options(
        solver_order=(1, 2, 3, 4),
        solver_type=("bh1", "bh2"),
        predict_x0=(True, False),
        prediction_type=("epsilon", "sample", "v_prediction"),
        timestep_spacing=SPACINGS,
        lower_order_final=(True, False),
        final_sigmas_type=("zero", "sigma_min"),
        thresholding=(False, True),
    ):
        whole = o["predict_x0"] and o["lower_order_final"] and o["solver_type"] == "bh2"
        if o["final_sigmas_type"] == "zero" and not whole:
            continue  # NaN
        if o["thresholding"] and not o["predict_x0"]:
            continue  # ignored by them
        p = o["solver_order"]
        ours = UniPC(
            p=p,
            form=o["solver_type"],
            of="x0" if o["predict_x0"] else "eps",
            taper=p if o["lower_order_final"] else 0,
        )
        yield Case("UniPCMultistepScheduler", o, 9, ours)


def deis() -> Iterator[Case]:
    for o in options(
        solver_order=(1, 2, 3),
        prediction_type=("epsilon", "sample", "v_prediction"),
        timestep_spacing=SPACINGS,
        lower_order_final=(True, False),
        thresholding=(False, True),
    ):
        for steps in (6, 16):
            taper = 3 if o["lower_order_final"] and steps < 15 else 0
            yield Case("DEISMultistepScheduler", o, steps, DEIS(memory=o["solver_order"], axis="log_rho", taper=taper))


def flows() -> Iterator[Case]:
    for order, shift in product((1, 2, 3), (1.0, 3.0)):
        o = {
            "prediction_type": "flow_prediction",
            "use_flow_sigmas": True,
            "flow_shift": shift,
            "solver_order": order,
        }
        yield Case("DPMSolverMultistepScheduler", o, 16, DPMSolverPP(memory=order, published=True))
        yield Case("UniPCMultistepScheduler", o, 9, UniPC(p=order, taper=order))
        yield Case("DEISMultistepScheduler", o, 16, DEIS(memory=order, axis="log_rho"))
    for shift, steps in product((1.0, 3.0), (5, 12)):
        yield Case("FlowMatchEulerDiscreteScheduler", {"shift": shift}, steps, DDIM())
        yield Case("FlowMatchHeunDiscreteScheduler", {"shift": shift}, steps, ProbabilityFlow(method="heun"))


def sigma_space() -> Iterator[Case]:
    kinds = ("epsilon", "sample", "v_prediction")
    for o in options(prediction_type=kinds, timestep_spacing=SPACINGS, use_karras_sigmas=(False, True)):
        for final in ("zero", "sigma_min"):
            if final == "zero" or (o["timestep_spacing"] == "trailing" and not o["use_karras_sigmas"]):
                # else their last two levels are one
                yield Case("EulerDiscreteScheduler", {**o, "final_sigmas_type": final}, 8, EDMEuler(), scaled=True)
        yield Case("HeunDiscreteScheduler", o, 8, Heun(), scaled=True)
        for order in (1, 2, 3, 4):
            ours = DEIS(memory=order, axis="rho", published=True)
            yield Case("LMSDiscreteScheduler", o, 8, ours, scaled=True, extra={"order": order})
        if o["prediction_type"] != "sample":
            yield Case("KDPM2DiscreteScheduler", o, 8, DPMSolver(stages=2), scaled=True)
            if not o["use_karras_sigmas"]:
                plain = {k: v for k, v in o.items() if k != "use_karras_sigmas"}
                yield Case("EulerAncestralDiscreteScheduler", plain, 8, DDIM(eta=1.0), scaled=True)


def discrete() -> Iterator[Case]:
    kinds = ("epsilon", "sample", "v_prediction")
    for kind, clean, eta, threshold in product(kinds, (True, False), (0.0, 0.5, 1.0), (False, True)):
        o = {"prediction_type": kind, "set_alpha_to_one": clean, "clip_sample": False, "thresholding": threshold}
        extra = {"eta": eta, "use_clipped_model_output": True}
        for spacing, offset in (("trailing", 0), ("leading", 1)):
            o = {**o, "timestep_spacing": spacing, "steps_offset": offset}
            yield Case("DDIMScheduler", o, 10, DDIM(eta=eta), extra=extra)
    for kind, variance, threshold in product(kinds, ("fixed_small", "fixed_large"), (False, True)):
        o = {"prediction_type": kind, "variance_type": variance, "clip_sample": False, "thresholding": threshold}
        ours = DDPM("large" if variance == "fixed_large" else "small")
        for spacing in ("leading", "trailing"):
            yield Case("DDPMScheduler", {**o, "timestep_spacing": spacing}, 10, ours)
    for kind, clean, steps in product(("epsilon", "v_prediction"), (True, False), (5, 10)):
        o = {"prediction_type": kind, "set_alpha_to_one": clean, "steps_offset": 1, "timestep_spacing": "leading"}
        yield Case("PNDMScheduler", {**o, "skip_prk_steps": True}, steps, PLMS(published=True))
        yield Case("PNDMScheduler", {**o, "skip_prk_steps": False}, steps, PNDM(published=True))


def edm() -> Iterator[Case]:
    for o in options(prediction_type=("epsilon", "v_prediction"), sigma_schedule=("karras", "exponential")):
        yield Case("EDMEulerScheduler", o, 8, EDMEuler())
        for order, kind, steps in product((1, 2, 3), ("midpoint", "heun"), (8, 16)):
            form = "exact" if kind == "heun" else "midpoint"
            theirs = {**o, "solver_order": order, "solver_type": kind}
            ours = DPMSolverPP(memory=order, form=form, published=True, taper=3 if steps < 15 else 0)
            yield Case("EDMDPMSolverMultistepScheduler", theirs, steps, ours)


GENERATED = [
    case for make in (multistep, singlestep, unipc, deis, flows, sigma_space, discrete, edm) for case in make()
]

EXCLUDED = {
    "DDPM's large variance on a trailing grid: they add its noise even on the step to the clean end": lambda c: (
        c.options.get("variance_type") == "fixed_large" and c.options["timestep_spacing"] == "trailing"
    ),
    "UniPC-4 of eps: their float32 recursion for phi loses digits; in float64 they agree, see below": lambda c: (
        isinstance(c.ours, UniPC) and c.ours.p == 4 and c.ours.of == "eps"
    ),
    "DPM-Solver-3 of eps read from v, in one or two groups: float32 cancels; in float64 they agree": lambda c: (
        isinstance(c.ours, DPMSolverFast)
        and (c.ours.stages, c.ours.of) == (3, "eps")
        and c.options["prediction_type"] == "v_prediction"
        and c.steps <= 6
    ),
    "PNDM of v: they weigh past v, which are not comparable between noise levels, as if they were eps": lambda c: (
        c.scheduler == "PNDMScheduler" and c.options["prediction_type"] == "v_prediction"
    ),
}


def excluded(case: Case) -> bool:
    return any(rule(case) for rule in EXCLUDED.values())


COMPARED = [case for case in GENERATED if not excluded(case)]


def chosen() -> list[Case]:
    """Of every scheduler all, or 36 drawn."""
    found: list[Case] = []
    for name in sorted({case.scheduler for case in COMPARED}):
        own = [case for case in COMPARED if case.scheduler == name]
        found += own if len(own) <= 36 else random.Random(name).sample(own, 36)
    return found
