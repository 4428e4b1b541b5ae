"""What checks every call of our packages under pytest: jaxtyping's shapes and beartype's types, by import hook."""

import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints, runtime_checkable

from beartype import BeartypeConf, beartype

ROOT = Path(__file__).parent.parent
CONF = BeartypeConf(is_pep484_tower=True)  # an int may stand where a float is asked for, as in pyright


def checked_modules() -> list[str]:
    """The modules to instrument: all but `nerf.backends`, whose kernels numba must compile as they are written."""
    nerf = [f"nerf.{m.name}" for m in pkgutil.iter_modules([str(ROOT / "nerf")]) if m.name != "backends"]
    return ["samplers", "guidance", "distill", "app", *nerf]


def checked(function: Any) -> Any:
    """`function` with its annotations enforced.

    Two things that beartype refuses in a single method are put right first: protocols are made checkable, so that
    code need not mark them `@runtime_checkable`, and `Self`, which only a decorated class knows, is let through.
    """
    try:
        hints = get_type_hints(function)
    except NameError:  # names a class that is still being defined; beartype resolves it at the first call
        hints = dict(function.__annotations__)
    for name, hint in hints.items():
        for part in _parts(hint):
            if part is Self:
                function.__annotations__[name] = Any
            elif isinstance(part, type) and getattr(part, "_is_protocol", False):
                runtime_checkable(part)
    return beartype(conf=CONF)(function)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in hint if isinstance(hint, list) else get_args(hint):
        yield from _parts(part)
