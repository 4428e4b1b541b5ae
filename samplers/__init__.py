"""The diffusion process and how to run it backward: schedules, predictions, time grids, noise, samplers.

Conventions. x_t = alpha(t) x0 + sigma(t) eps, t = 0 clean, t = 1 noise. A step goes from s (noisier) to t (cleaner).
Process math runs in float64 on the host; pictures keep their own dtype and device. Dims: b batch, n nodes of a grid.

Why so. A sampler is a frozen dataclass of hyperparameters whose call is a generator over steps; it sees only alpha and
sigma at the nodes of a grid and a `Denoiser`, so that VP, VE, EDM and rectified flow are one code path and a sampler
neither knows guidance nor what the network predicts. History is local variables: a sampler can be shared and reused.

This package imports no other package of the project.

How to add a sampler: see `samplers.methods`. A schedule: three formulas in `schedule.py` and its name in `SCHEDULES`.
"""

from typing import Any

from samplers import methods, plugins


def names() -> list[str]:
    """The samplers by name."""
    return plugins.names(methods)


def load(name: str) -> type[Any]:
    """The sampler class called `name`, a `samplers.types.Sampler`. ValueError on an unknown name."""
    return plugins.load(methods, name)
