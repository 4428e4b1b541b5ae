"""The oracle teacher: the exact posterior mean over the catalog's own pictures. No weights.

It tells which half fails when a result is poor, the teacher or the pipeline, and makes fast end-to-end tests.

At a camera, a caption's pictures are x0 = F_j + (1 - a_j) b: foreground F_j and opacity a_j of jittered instance j, and
a solid background b. With a uniform prior over j and b ~ N(0, 1/3) per channel (the variance of a uniform background),
x_t = alpha x0 + sigma eps is a mixture of Gaussians whose covariances are sigma^2 I plus rank one, so that the
posterior mean is exact in closed form. The null prompt is the empty scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from distill.catalog.captions import VOCABULARY, Layout
from distill.catalog.pictures import LAW
from distill.catalog.truth import GROUPS, layout_of, scene, slot_colors
from guidance.teacher import Views
from guidance.vocabulary import Caption
from nerf.cameras import Cameras
from nerf.solids import Solids, render_groups, stack
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule, VPCosine

BACKGROUND_VARIANCE = 1 / 3


@dataclass(frozen=True, eq=False)
class OracleRows:
    """n prompts; bound to cameras they hold foregrounds (n, J, 3, S, S) in [-1, 1] and opacities (n, J, 1, S, S)."""

    captions: tuple[Caption | None, ...]
    side: int
    jitters: int
    foreground: Tensor | None = None
    opacity: Tensor | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, rows: Tensor) -> "OracleRows":
        picked = replace(self, captions=tuple(self.captions[i] for i in rows.tolist()))
        if self.foreground is None or self.opacity is None:
            return picked
        return replace(picked, foreground=self.foreground[rows], opacity=self.opacity[rows])

    def cat(self, other: "OracleRows") -> "OracleRows":
        joined = replace(self, captions=self.captions + other.captions)
        if self.foreground is None or self.opacity is None or other.foreground is None or other.opacity is None:
            return joined
        foreground = torch.cat([self.foreground, other.foreground])
        return replace(joined, foreground=foreground, opacity=torch.cat([self.opacity, other.opacity]))

    def at(self, views: Views) -> "OracleRows":
        count = len(views)
        if len(self) not in (1, count):
            raise ValueError(f"{len(self)} prompts for {count} views: give one prompt, or one a view")
        rows = self if len(self) == count else self[torch.zeros(count, dtype=torch.long)]
        cameras = Cameras(views.azimuth.cpu(), views.elevation.cpu(), views.distance.cpu(), views.fov.cpu())
        foreground = torch.zeros(count, self.jitters, 3, self.side, self.side)
        opacity = torch.zeros(count, self.jitters, 1, self.side, self.side)
        shown = [i for i, c in enumerate(rows.captions) if c is not None]
        if shown:
            captions = [c for c in rows.captions if c is not None]
            foreground[shown], opacity[shown] = self._render(captions, cameras[torch.tensor(shown)])
        device = views.azimuth.device
        return replace(rows, foreground=foreground.to(device), opacity=opacity.to(device))

    def _render(self, captions: Sequence[Caption], cameras: Cameras) -> tuple[Tensor, Tensor]:
        scenes = [s for c in captions for s in _instances(layout_of(c), self.jitters)]
        every = torch.arange(len(captions)).repeat_interleave(self.jitters)
        layers = render_groups(stack(scenes), cameras[every], self.side, GROUPS)
        colors = torch.stack([slot_colors(c.things) for c in captions])[every]
        paint = torch.einsum("nghw,ngc->nchw", layers[:, :GROUPS], colors)
        opacity = layers[:, GROUPS:]
        shape = (len(captions), self.jitters, -1, self.side, self.side)
        return (2 * paint - opacity).reshape(shape), opacity.reshape(shape)


@lru_cache
def _instances(layout: Layout, jitters: int) -> list[Solids]:
    """The mean scene, then jittered ones, always the same."""
    generator = torch.Generator().manual_seed(0)
    return [scene(layout), *(scene(layout, generator) for _ in range(jitters - 1))]


class OracleTeacher:
    """The exact denoiser of the catalog's pictures of a caption at a camera; `side` in pixels, `jitters` instances."""

    cameras = LAW

    def __init__(self, side: int = 64, jitters: int = 3) -> None:
        if side < 1 or jitters < 1:
            raise ValueError(f"the oracle needs side >= 1 and jitters >= 1, got {side} and {jitters}")
        self.schedule: NoiseSchedule = VPCosine()
        self.shape = (3, side, side)
        self._jitters = jitters

    def embed(self, prompts: Sequence[str]) -> OracleRows:
        captions = tuple(VOCABULARY.parse(p) if p else None for p in prompts)
        return OracleRows(captions, self.shape[-1], self._jitters)

    def encode(self, images: Tensor) -> Tensor:
        side = self.shape[-1]
        if images.shape[-1] != side:
            images = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return images * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)

    def __call__(self, x_t: Tensor, t: Tensor, cond: OracleRows) -> Prediction:
        if cond.foreground is None or cond.opacity is None:
            raise ValueError("the oracle draws a caption at a camera: bind the prompt with .at(views) first")
        alpha, sigma = self.schedule.coefficients(t, x_t)
        x0 = posterior_mean(x_t, alpha, sigma, cond.foreground.to(x_t), cond.opacity.to(x_t))
        return Prediction(x0, "x0", x_t, alpha, sigma)


def posterior_mean(x_t: Tensor, alpha: Tensor, sigma: Tensor, foreground: Tensor, opacity: Tensor) -> Tensor:
    """E[x0 | x_t], (n, 3, S, S), for x0 = F_j + (1 - a_j) b with j uniform and b ~ N(0, BACKGROUND_VARIANCE I).

    Shapes: x_t (n, 3, S, S); alpha, sigma broadcast against it; foreground (n, J, 3, S, S); opacity (n, J, 1, S, S).
    Noise below 1e-5 counts as 1e-5, so that the clean end is finite too.
    """
    through = 1 - opacity
    a, s = (c.reshape(-1, 1, 1) for c in (alpha, sigma.clamp_min(1e-5)))  # against (n, J, 3)
    residual = x_t[:, None] - alpha[:, None] * foreground
    along = (residual * through).sum((-2, -1))
    variance = s**2 + a**2 * BACKGROUND_VARIANCE * through.square().sum((-2, -1))
    background = a * BACKGROUND_VARIANCE * along / variance
    seen = through * background[..., None, None]
    # The likelihood with b integrated out, as the joint one at the best b: no large numbers cancel at small noise.
    square = (residual - alpha[:, None] * seen).square().sum((-2, -1)) / s**2 + background**2 / BACKGROUND_VARIANCE
    weight = (-0.5 * (square + variance.log())).sum(-1).softmax(1)
    return (weight[:, :, None, None, None] * (foreground + seen)).sum(1)
