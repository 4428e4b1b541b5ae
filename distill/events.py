"""What a run reports while it goes on: small frozen records, one JSON line each."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Stepped:
    """`step` of `total` steps are done; this one took `seconds`."""

    step: int
    total: int
    scalars: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Previewed:
    """A picture of the state after `step` steps lies at `path` in the run's folder."""

    step: int
    path: str


@dataclass(frozen=True)
class Warned:
    """A health check spoke at `step`: what is wrong, what helps, and whether the run already did it (`applied`)."""

    step: int
    problem: str
    remedy: str
    applied: bool


@dataclass(frozen=True)
class Saved:
    """The checkpoint at `path` in the run's folder holds the state after `step` steps."""

    step: int
    path: str


@dataclass(frozen=True)
class Failed:
    """The run ended by itself, and why, in one line."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run ended at `step` of `total`: all done, or asked to stop.

    results: what exporting measured, empty where the run was stopped. seconds: how long exporting took.
    """

    step: int
    total: int
    results: Mapping[str, Any]
    seconds: float

    @property
    def stopped(self) -> bool:
        return self.step < self.total


Event = Stepped | Previewed | Warned | Saved | Failed | Finished
KINDS: dict[str, type[Event]] = {c.__name__: c for c in (Stepped, Previewed, Warned, Saved, Failed, Finished)}


def to_line(event: Event) -> str:
    """One line of strict JSON without its newline; non-finite numbers become the strings "nan", "inf", "-inf"."""
    return json.dumps({"event": type(event).__name__, **_strict(asdict(event))}, allow_nan=False)


def from_line(line: str) -> Event:
    """The event that `to_line` wrote, scalars as numbers again.

    ValueError where the line is cut, of no known kind, or has other fields.
    """
    try:
        data = json.loads(line)
        kind = KINDS[data.pop("event")]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"not an event: {line[:80]!r}") from None
    if set(data) != {f.name for f in fields(kind)}:
        raise ValueError(f"event {kind.__name__} has the fields {', '.join(sorted(data))}")
    if kind is Stepped:
        data["scalars"] = {k: float(v) for k, v in data["scalars"].items()}
    return kind(**data)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
