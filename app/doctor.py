"""`scorelift doctor`: what this machine has, what is missing and how to get it, and whether everything works on it."""

import importlib.util
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import one_line

# (name, module, what it is for, how to get it)
BACKENDS = (
    ("numba", "numba", "fast fields and rendering on the CPU", "pip install numba"),
    ("tiny-cuda-nn", "tinycudann", "fast fields on a CUDA GPU", 'pip install "scorelift[gpu]", with the CUDA toolkit'),
    ("nerfacc", "nerfacc", "marching rays on a CUDA GPU", "pip install nerfacc"),
    ("triton", "triton", "compiled kernels on a GPU", "comes with torch for CUDA on Linux"),
    ("diffusers", "diffusers", "diffusion checkpoints as teachers", "pip install diffusers"),
    ("transformers", "transformers", "their text encoders", "pip install transformers"),
    ("bitsandbytes", "bitsandbytes", "text encoders in 8 or 4 bits", "pip install bitsandbytes, for CUDA GPUs"),
)
# (GiB of free memory, checkpoint, why). Sizes of weights in 16 bits with room for a step.
RECOMMENDED = (
    (40, "stabilityai/stable-diffusion-3.5-medium", "rectified flow, reads prompts with T5"),
    (20, "stabilityai/stable-diffusion-xl-base-1.0", "1024 pixels"),
    (8, "ashawkey/mvdream-sd2.1-diffusers", "four views at once"),
    (5, "stable-diffusion-v1-5/stable-diffusion-v1-5", "the smallest that reads any prompt"),
    (0, "embedded", "needs no download; `scorelift words` lists what it knows"),
)


@dataclass(frozen=True)
class Doctor:
    """Look at this machine: hardware, backends, checkpoints in the cache, which one to take, and a short self-test."""

    def __call__(self) -> int:

        from app.devices import device_of
        from app.hardware import GIB, describe, memory_of
        from guidance.teachers.loading import USUAL

        device = device_of(USUAL)
        _tell("hardware", describe())
        _tell("backends", backends())
        _tell("checkpoints in the cache", list(checkpoints()) or ["none; --teacher OWNER/NAME fetches one"])
        free = memory_of(device).free / GIB
        slow = "; without a GPU a diffusion checkpoint takes hours" if device.type == "cpu" else ""
        _tell("recommended teacher", [f"{recommended(free if slow == '' else 0.0)} ({free:.0f} GiB free{slow})"])
        problem, seconds = self_test()
        _tell("self-test", [problem or f"passed: an asset from words to mesh in {seconds:.1f} s"])
        return 1 if problem else 0


def backends() -> list[str]:
    """A line for each: there, or how to get it."""
    rows = []
    for name, module, purpose, remedy in BACKENDS:
        there = importlib.util.find_spec(module) is not None
        rows.append(f"{'there  ' if there else 'missing'} {name}: {purpose}" + ("" if there else f" ({remedy})"))
    return rows


def checkpoints() -> Iterator[str]:
    """A line for each checkpoint in the hub's cache, with its family or why it cannot teach."""
    from guidance.teachers.families import recognize
    from guidance.teachers.hub import all_cached

    for name, folder in all_cached():
        try:
            yield f"{name}: {recognize(folder).name}"
        except ValueError:
            yield f"{name}: not supported"


def recommended(gib: float) -> str:
    """The checkpoint to start with where so much memory is free, and why."""
    return next(f"{name}: {why}" for least, name, why in RECOMMENDED if gib >= least)


def self_test() -> tuple[str, float]:
    """(what went wrong, seconds): an asset of twenty steps with the oracle, exported and read back."""
    from app import presets
    from app.devices import device_of
    from app.runs import open_teacher
    from distill.engine import optimize
    from distill.events import Failed
    from guidance.teachers.loading import USUAL
    from nerf.mesh_load import load

    began = time.perf_counter()
    try:
        device = device_of(USUAL)
        recipe = presets.asked_for("a red cube", 0, "test", "oracle-16")
        with tempfile.TemporaryDirectory() as folder:
            run = recipe.build(open_teacher("oracle-16", device), device)
            *_, end = optimize(run, steps=recipe.steps, out=Path(folder))
            if isinstance(end, Failed):
                return f"failed: {end.message}", 0.0
            if not len(load(Path(folder) / "mesh.glb").faces):
                return "failed: the mesh is empty", 0.0
    except Exception as error:  # whatever it is, the doctor says so and goes on living
        return f"failed: {type(error).__name__}: {one_line(error)}", 0.0
    return "", time.perf_counter() - began


def _tell(title: str, lines: list[str]) -> None:
    print(f"{title}:")
    for line in lines:
        print(f"  {line}")
