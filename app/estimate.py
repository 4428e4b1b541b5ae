"""What a run with a diffusion checkpoint will need, told before anything is loaded: weights, memory, time.

The weights are read off the headers of their files; operations and results are counted on the network without weights;
speeds are measured here in half a second. Nobody measured how far such an estimate is off on large checkpoints.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from app.checkpoints import folder_of
from app.devices import device_of
from app.errors import one_line
from app.hardware import GIB, memory_of, operations_per_second, synchronize
from distill.engine import Recipe
from distill.recipes.lift3d import Lift3D
from guidance.teachers.diffusion import precision
from guidance.teachers.families import parameters, recognize
from guidance.teachers.loading import Loading
from guidance.teachers.meta import step_cost
from nerf.field import Blob, HashField

BYTES = {"full": 0.0, "8bit": 1.0, "4bit": 0.5}  # a number of the text encoders; 0 is that of the rest
CHORD = 1.0  # of a ray within what the field may fill, mean over the pictures
POINTS = 4096


@dataclass(frozen=True)
class Estimate:
    """weights, step, words: bytes of the networks that stay, of a step's results, and of what reads the prompts before
    the first step. seconds: of all steps."""

    parameters: int
    weights: float
    step: float
    words: float
    seconds: float

    @property
    def peak(self) -> float:
        return max(self.weights + self.step, self.weights + self.words)


def estimate(recipe: Lift3D, folder: Path, loading: Loading) -> Estimate:
    """ValueError, in one line, where the checkpoint is damaged."""
    device = device_of(loading)
    dtype, family = precision(loading, device), recognize(folder)
    counts = parameters(folder)
    words = sum(n for part, n in counts.items() if part.startswith("text_encoder"))
    stay = sum(n for part, n in counts.items() if part in (family.network, "vae", "image_encoder", "cc_projection"))
    if loading.offload:
        stay -= counts.get(family.network, 0)
    conditions = 1 if recipe.guidance == 1 and not recipe.negative and not recipe.perp_neg else 2
    conditions += bool(recipe.negative) + 2 * bool(recipe.perp_neg)
    costs = {
        size: step_cost(folder, loading, dtype, views=recipe.views, conditions=conditions, size=size)
        for size in set(recipe.resolutions)
    }
    rate, (second, held) = operations_per_second(device, dtype), _field(recipe, device)
    points = {size: recipe.views * size**2 * CHORD / recipe.ray_step for size in costs}
    each = [costs[size].flops / rate + points[size] * second for size in recipe.resolutions]
    return Estimate(
        sum(counts.values()),
        stay * dtype.itemsize,
        max(costs[size].peak + points[size] * held for size in costs),
        words * (BYTES[loading.text_encoder] or dtype.itemsize),
        recipe.steps * sum(each) / len(each),
    )


def _field(recipe: Lift3D, device: torch.device) -> tuple[float, float]:
    """(seconds, bytes) that a point of the field costs, forward and backward."""
    field = HashField(recipe.grid, blob=Blob(), generator=torch.Generator().manual_seed(0)).to(device)
    points = torch.rand(POINTS, 3, generator=torch.Generator().manual_seed(1)).to(device) * 2 - 1
    seconds = []
    for _ in range(3):  # the first one compiles
        began = time.perf_counter()
        (field.density(points).sum() + field.albedo(points).sum()).backward()
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    width = recipe.grid.levels * recipe.grid.features + 4 * 64  # features, and the hidden layers around them
    return min(seconds) / POINTS, 4.0 * width


def lines(recipe: Recipe, name: str, loading: Loading) -> list[str]:
    """The estimate in words; nothing where the teacher called `name` is no diffusion checkpoint, or
    the recipe makes no asset."""
    folder = folder_of(name, loading)
    if folder is None or not isinstance(recipe, Lift3D):
        return []
    family = recognize(folder)
    told = [f"teacher: {family.name}" + (" (it reads no prompt)" if family.reads == "nothing" else "")]
    try:
        found = estimate(recipe, folder, loading)
    except (ValueError, RuntimeError) as error:
        return [*told, f"no estimate of memory and time: {one_line(error)[:200]}"]
    free = memory_of(device_of(loading)).free
    told[0] += f", {found.parameters / 1e6:,.3g} million parameters"
    told.append(
        f"memory: about {_gib(found.peak)} of {_gib(free)} free; weights {_gib(found.weights)}, "
        f"a step {_gib(found.step)}, text encoders before the first step {_gib(found.words)}"
    )
    told.append(f"time: about {_duration(found.seconds)} for {recipe.steps} steps")
    if found.peak > free:
        told.append(
            "that is more memory than is free: try --dtype float16, --offload, --attention-slicing or --vae-tiling; "
            "a step that fails is tried again with fewer views, samples and pixels"
        )
    return told


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= 0.05 * GIB else f"{size / 2**20:.0f} MiB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
