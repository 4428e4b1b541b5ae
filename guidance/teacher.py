"""What a teacher is, what a prompt becomes, and the only classifier-free guidance in the project.

Guidance is `null + scale * (cond - null)`: scale 1 is off. Papers that write (1 + w) cond - w null
mean w = scale - 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule

RANGES = ("azimuth", "elevation", "distance", "fov")


@dataclass(frozen=True)
class CameraLaw:
    """The cameras a teacher was trained on: inclusive (low, high) pairs; angles in radians, box half-size 1.

    together: views that it looks at jointly. So many neighbors of a batch stand evenly around the object, at one
    elevation, distance and field of view, and are at one noise level.
    """

    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    distance: tuple[float, float]
    fov: tuple[float, float]
    together: int = 1

    def __post_init__(self) -> None:
        for name in RANGES:
            low, high = map(float, getattr(self, name))
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"camera law: {name} must be (low, high) with low <= high, got ({low}, {high})")
            object.__setattr__(self, name, (low, high))
        if self.together < 1:
            raise ValueError(f"camera law: together counts views and is at least 1, got {self.together}")
        if self.distance[0] <= 0 or not 0 < self.fov[0] <= self.fov[1] < math.pi:
            raise ValueError(f"camera law: need distance > 0 and 0 < fov < pi, got {self.distance} and {self.fov}")

    def to_json(self) -> dict[str, Any]:
        ranges: dict[str, Any] = {name: list(getattr(self, name)) for name in RANGES}
        return ranges if self.together == 1 else {**ranges, "together": self.together}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "CameraLaw":
        """The law that `to_json` wrote. ValueError where a range is missing or unknown."""
        if set(data) - {"together"} != set(RANGES):
            raise ValueError(f"camera law needs exactly {', '.join(sorted(RANGES))}, got {', '.join(sorted(data))}")
        return CameraLaw(**{n: (data[n][0], data[n][1]) for n in RANGES}, together=int(data.get("together", 1)))


class Views(Protocol):
    """V cameras looking at the origin; `nerf.cameras.Cameras` is one. All but c2w (V, 4, 4) have shape (V,)."""

    @property
    def azimuth(self) -> Tensor: ...
    @property
    def elevation(self) -> Tensor: ...
    @property
    def distance(self) -> Tensor: ...
    @property
    def fov(self) -> Tensor: ...
    @property
    def c2w(self) -> Tensor: ...
    def __len__(self) -> int: ...


class Cond(Protocol):
    """Embedded prompts, one per row, cheap to bind, select and join at every step."""

    def __len__(self) -> int:
        """Rows."""
        ...

    def __getitem__(self, rows: Tensor, /) -> "Cond":
        """The rows numbered by an integer tensor (n,); a row may repeat."""
        ...

    def cat(self, other: Any, /) -> "Cond":
        """These rows, then those of `other`, which came from the same teacher and is bound to views if this one is."""
        ...

    def at(self, views: Views, /) -> "Cond":
        """Bound to cameras: one row a view, from one row (used for every view) or from one row a view already.

        A teacher that does not know cameras only repeats its row.
        """
        ...


class Teacher(Protocol):
    """A diffusion model with its process. All tensors have a batch dimension first."""

    @property
    def schedule(self) -> NoiseSchedule: ...
    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what the network sees."""
        ...

    @property
    def cameras(self) -> CameraLaw | None:
        """The cameras it was trained on, or None where it takes no camera."""
        ...

    def embed(self, prompts: Sequence[str], /) -> Cond:
        """One row a prompt, embedded once; "" is the unconditional prompt."""
        ...

    def encode(self, images: Tensor, /) -> Tensor:
        """Pictures (b, 3, h, w) in [0, 1] to what the network sees (b, *shape); differentiable."""
        ...

    def decode(self, latents: Tensor, /) -> Tensor:
        """The way back, to pictures in [0, 1]."""
        ...

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any, /) -> Prediction:
        """The network at `x_t` (b, *shape) and `t`, (b,) or one number in [0, 1], with `cond` of b rows.

        `t` may be float64 on the host: `schedule.coefficients(t, x_t)` takes it so, a network takes t.to(x_t).
        """
        ...


@dataclass(frozen=True, eq=False)
class Guided:
    """A teacher under guidance: a `Denoiser` that is also a `SplitDenoiser`.

    cond, null: one row (used for the whole batch) or one row a sample. `null` is the unconditional prompt, or a
    negative prompt standing in for it.
    scale: null + scale (cond - null). With 1 and no negatives only `cond` is evaluated.
    negatives: (cond, weight) pairs for Perp-Neg (Armandpour et al. 2023, 2304.04968): of each one only what is
    perpendicular to the positive direction counts. Weights are negative to push away; a number, or one a sample (b,).

    All conditions run as one batched network call.
    """

    teacher: Teacher
    cond: Cond
    null: Cond
    scale: float
    negatives: tuple[tuple[Cond, float | Tensor], ...] = ()

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        if self.scale == 1 and not self.negatives:
            return self._evaluate(x_t, t, self.cond)[0]
        return self.with_cond(x_t, t)[0]

    def with_cond(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        """(guided, cond) from one network call, for those who compare the two."""
        null, cond, *away = self._evaluate(x_t, t, self.null, self.cond, *(c for c, _ in self.negatives))
        mixed = null.mix(cond, self.scale)
        if not away:
            return mixed, cond
        # Perpendicularity does not depend on the kind: readings of one x_t differ by one factor per sample.
        toward = cond.read(null.kind) - null.value
        aside = torch.zeros_like(toward)
        for prediction, (_, weight) in zip(away, self.negatives, strict=True):
            aside = aside + _per_sample(weight, toward) * perpendicular(prediction.read(null.kind) - null.value, toward)
        return replace(mixed, value=mixed.value + self.scale * aside), cond

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        """The two sides of the guidance, (null, cond), from one network call."""
        null, cond = self._evaluate(x_t, t, self.null, self.cond)
        return null, cond

    def at(self, views: Views) -> "Guided":
        """The same guidance with every condition bound to `views`, one sample a view."""
        negatives = tuple((cond.at(views), weight) for cond, weight in self.negatives)
        return replace(self, cond=self.cond.at(views), null=self.null.at(views), negatives=negatives)

    def _evaluate(self, x_t: Tensor, t: Tensor, *conds: Cond) -> list[Prediction]:
        """The teacher under each condition, from one call on the joined batch."""
        b, k = len(x_t), len(conds)
        joined = _rows(conds[0], b)
        for cond in conds[1:]:
            joined = joined.cat(_rows(cond, b))
        times = torch.as_tensor(t).expand(b).repeat(k)
        whole = self.teacher(x_t.repeat(k, *[1] * (x_t.ndim - 1)), times, joined)
        return [_chunk(whole, slice(i * b, (i + 1) * b), x_t) for i in range(k)]


def perpendicular(delta: Tensor, toward: Tensor) -> Tensor:
    """What of `delta` (b, ...) is perpendicular to `toward`, per sample; all of it where `toward` is zero."""
    dims = tuple(range(1, delta.ndim))
    square = (toward * toward).sum(dims, keepdim=True)
    along = (delta * toward).sum(dims, keepdim=True) / square.clamp_min(torch.finfo(square.dtype).tiny)
    return delta - along * toward


def _per_sample(weight: float | Tensor, like: Tensor) -> float | Tensor:
    if isinstance(weight, Tensor):
        return weight.to(like).reshape(-1, *[1] * (like.ndim - 1))
    return weight


def _rows(cond: Cond, count: int) -> Cond:
    if len(cond) == count:
        return cond
    if len(cond) != 1:
        raise ValueError(f"{len(cond)} prompts for a batch of {count}: give one prompt, or one a sample")
    return cond[torch.zeros(count, dtype=torch.long)]


def _chunk(whole: Prediction, part: slice, x_t: Tensor) -> Prediction:
    """One condition's share of a joined prediction; coefficients may be per sample or common to all."""
    alpha, sigma = (c[part] if c.ndim and len(c) > 1 else c for c in (whole.alpha, whole.sigma))
    var = None if whole.var is None else whole.var[part]
    return Prediction(whole.value[part], whole.kind, x_t, alpha, sigma, var)


class Counted:
    """A teacher that counts network evaluations in `nfe`: one a sample, so a guided call counts two a sample."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.nfe = 0

    @property
    def schedule(self) -> NoiseSchedule:
        return self._teacher.schedule

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._teacher.shape

    @property
    def cameras(self) -> CameraLaw | None:
        return self._teacher.cameras

    def embed(self, prompts: Sequence[str], /) -> Cond:
        return self._teacher.embed(prompts)

    def encode(self, images: Tensor, /) -> Tensor:
        return self._teacher.encode(images)

    def decode(self, latents: Tensor, /) -> Tensor:
        return self._teacher.decode(latents)

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any, /) -> Prediction:
        self.nfe += len(x_t)
        return self._teacher(x_t, t, cond)
