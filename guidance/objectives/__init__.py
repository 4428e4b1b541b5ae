"""Objectives, one file each; the file name is the objective's name on the command line.

Conventions. `x` is what the network sees, (b, ...); the direction is what descent subtracts from it. No teacher is
differentiated: calls run under `torch.no_grad`, and the only graph is the one that made `x`.

How to add one. Write `<name>.py` with one public frozen dataclass that satisfies `guidance.objective.Objective`: its
fields are the hyperparameters, its docstring names the paper, arXiv id and equation. `names` finds the file by itself;
add a test that compares it with a closed form and that rejects a known wrong variant.
"""

import sys
from typing import Any

from samplers import plugins


def names() -> list[str]:
    """The objectives by name."""
    return plugins.names(sys.modules[__name__])


def load(name: str) -> type[Any]:
    """The objective class called `name`, a `guidance.objective.Objective`. ValueError on an unknown name."""
    return plugins.load(sys.modules[__name__], name)
