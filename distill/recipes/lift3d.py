"""Text to a textured mesh by score distillation: DreamFusion's loop (Poole et al. 2022, 2209.14988; survey section 3.1)
with what made later systems stable (progressive resolution, annealed times, reconstruction weighting)."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill.checkpoint import require_keys
from distill.engine import RunFailed
from distill.events import Warned
from distill.health import Health, gradients_of
from guidance.objective import as_loss, draw_noise
from guidance.objectives.csd import CSD
from guidance.objectives.sds import SDS
from guidance.objectives.sjc import SJC
from guidance.prompts import guide
from guidance.teacher import CameraLaw, Teacher
from guidance.times import Times
from nerf import export as mesh_export
from nerf import pictures
from nerf.cameras import Cameras, draw, draw_rings, orbit
from nerf.encoding import HashGrid
from nerf.field import Blob, HashField
from nerf.mesh import FieldViews, extract
from nerf.mesh_render import render as render_mesh
from nerf.occupancy import OccupancyGrid
from nerf.render import Picture, VolumeScene

# For teachers that take no camera, in our box (methods that use such teachers agree on these ranges).
DEFAULT_LAW = CameraLaw(
    azimuth=(-math.pi, math.pi),
    elevation=(math.radians(-10), math.radians(45)),
    distance=(2.5, 3.5),
    fov=(math.radians(30), math.radians(50)),
)
REFRESH = 16  # steps between looks at the occupancy grid
LEAST = {"steps": 1, "views": 1, "faces": 4, "texture": 16, "mesh_resolution": 8}  # of the recipe's settings
WHITE = torch.ones(3)
STOP = 0.01  # share of the light at which a ray ends
EDGE = 0.1  # of `bends`: a step in depth, in world units


@dataclass(frozen=True)
class Lift3D:
    """From a prompt to a textured mesh.

    Attributes:
        prompt: what to make.
        seed: of the field, the cameras and the noise.
        steps: optimization steps.
        objective: which direction the teacher gives.
        guidance: scale of classifier-free guidance; 1 is off.
        negative: a prompt to move away from.
        perp_neg: strength of view negatives, for teachers that take no camera.
        times: noise levels, and how they anneal.
        views: pictures a step.
        resolutions: picture sides, one for each equal share of the run.
        grid: shape of the hash grid.
        first_levels: grid levels in use at the start; all are in use from half-way on.
        grid_rate: learning rate of the grid.
        network_rate: learning rate of the small network.
        final_rate: learning rates at the last step, as a share of the first.
        albedo_share: share of the run, at the start, that is unlit.
        ray_step: distance between samples on a ray.
        sparsity: weight of the mean opacity, against fog.
        opaque: weight of the entropy of the opacity, rising from half-way on.
        spread: weight of the variance of the depth along a ray, against fog and hollow bodies, rising until half-way.
        bend: weight of kinks between neighboring depths, which flat colors do not forbid, rising until half-way.
        clip: largest norm of the gradient, relative to the median of the last ones.
        mesh_resolution: cells along each axis when the surface is extracted.
        faces: most faces of the mesh.
        texture: side of the texture in pixels.
        turntable: frames of the video; 0 makes none.
    """

    prompt: str
    seed: int = 0
    steps: int = 600
    objective: SDS | SJC | CSD = field(default_factory=lambda: SDS(weighting="x0"))
    guidance: float = 3.0
    negative: str = ""
    perp_neg: float = 0.0
    times: Times = field(default_factory=lambda: Times(low=0.05, high=0.95, final_high=0.4, anneal=(0.1, 0.9)))
    views: int = 4
    resolutions: tuple[int, ...] = (32, 64)
    grid: HashGrid = field(default_factory=HashGrid)
    first_levels: int = 4
    grid_rate: float = 1e-2
    network_rate: float = 1e-3
    final_rate: float = 0.1
    albedo_share: float = 0.1
    ray_step: float = 0.05
    sparsity: float = 10.0
    opaque: float = 100.0
    spread: float = 6000.0
    bend: float = 2000.0
    clip: float = 4.0
    mesh_resolution: int = 128
    faces: int = 20_000
    texture: int = 1024
    turntable: int = 60

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise ValueError('the prompt is empty: name a thing, for example "a red mushroom"')
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("guidance", "perp_neg", "albedo_share"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be a number, got {getattr(self, name)}")
        for name in ("grid_rate", "network_rate", "final_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if not 1 <= self.first_levels <= self.grid.levels:
            raise ValueError(f"first_levels must be between 1 and {self.grid.levels}, got {self.first_levels}")
        if not self.resolutions or min(self.resolutions) < 8:
            raise ValueError(f"resolutions must be at least 8 pixels, got {self.resolutions}")
        if self.turntable < 0:
            raise ValueError(f"turntable counts frames; use 0 for no video, got {self.turntable}")

    def build(self, teacher: Teacher | None, device: torch.device) -> "Lift3DRun":
        if teacher is None:
            raise ValueError("lift3d needs a teacher")
        return Lift3DRun(self, teacher, device)


def bends(picture: Picture) -> Tensor:
    """How much depths of neighboring pixels deviate from a line, mean over the pictures; a scalar.

    Three opaque pixels in a row or column, second difference of their depths, at most EDGE each: what is larger is an
    edge of the object, and is left alone.
    """
    total = picture.depth.new_zeros(())
    for depth, opacity in ((picture.depth, picture.opacity), (picture.depth.mT, picture.opacity.mT)):
        solid = opacity.detach() > 0.9
        row = solid[..., 2:] & solid[..., 1:-1] & solid[..., :-2]
        bend = (depth[..., 2:] - 2 * depth[..., 1:-1] + depth[..., :-2]).abs()
        total = total + (bend.clamp_max(EDGE) * row).sum()
    return total / picture.depth.numel()


class Lift3DRun:
    """One asset in the making."""

    def __init__(self, recipe: Lift3D, teacher: Teacher, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.law = teacher.cameras or DEFAULT_LAW
        if recipe.views % self.law.together:
            raise ValueError(
                f"this teacher looks at {self.law.together} views together: views must be a multiple of that, "
                f"got {recipe.views}"
            )
        self._encode = teacher.encode
        self._guided = guide(
            teacher, recipe.prompt, scale=recipe.guidance, negative=recipe.negative, perp_neg=recipe.perp_neg
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)
        shape = HashField(recipe.grid, blob=Blob(), generator=self.generator)
        self.scene = VolumeScene(shape, occupancy=OccupancyGrid(), step=recipe.ray_step, stop=STOP).to(device)
        self.field = shape
        groups = [
            {"params": [shape.table], "lr": recipe.grid_rate},
            {"params": list(shape.network), "lr": recipe.network_rate},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=device.type in ("cpu", "cuda"))
        self.health = Health()

    def step(self, index: int) -> dict[str, float | Warned]:
        recipe, generator = self.recipe, self.generator
        progress = index / recipe.steps
        if index % REFRESH == 0:
            self.scene.refresh(generator)
        self._pace(progress)
        picture, cameras = self._photograph(index, progress)
        x = self._encode(picture.rgb)
        together = self.law.together
        times = recipe.times.draw(recipe.views // together, progress, generator).repeat_interleave(together)
        noise = draw_noise(recipe.objective, x.detach(), generator)
        direction = recipe.objective(x.detach(), self._guided.at(cameras), times, noise)
        loss = as_loss(x, direction) + self._regularizer(picture, progress)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        report: dict[str, float | Warned] = {name: float(value) for name, value in direction.log.items()}
        report["opacity"] = float(picture.opacity.detach().mean())
        norm = float(torch.nn.utils.get_total_norm(gradients_of(self.field)))
        ailment = self.health.examine(index, self.field, picture, norm)
        if ailment.fatal:
            raise RunFailed(ailment.fatal)
        if ailment.warning is not None:
            report["health"] = ailment.warning
        if ailment.sound:
            report["gradient"] = norm
            self.health.clip(self.field, recipe.clip, norm)
            self.optimizer.step()
        return report

    def _pace(self, progress: float) -> None:
        """Learning rates and grid levels of this share of the run."""
        recipe = self.recipe
        share = recipe.final_rate ** max(0.0, 2 * progress - 1)
        for group, rate in zip(self.optimizer.param_groups, (recipe.grid_rate, recipe.network_rate), strict=True):
            group["lr"] = rate * share
        spare = recipe.grid.levels - recipe.first_levels
        self.field.active_levels = min(recipe.grid.levels, recipe.first_levels + round(2 * progress * spare))

    def _photograph(self, index: int, progress: float) -> tuple[Picture, Cameras]:
        recipe, generator = self.recipe, self.generator
        size = recipe.resolutions[index * len(recipe.resolutions) // recipe.steps]
        if self.law.together > 1:
            cameras = draw_rings(self.law, recipe.views, self.law.together, generator).to(self.device)
        else:
            cameras = draw(self.law, recipe.views, generator).to(self.device)
        background = torch.rand(recipe.views, 3, generator=generator).to(self.device)
        shading = "albedo" if progress < recipe.albedo_share else "headlight"
        return self.scene.render(cameras, size, background=background, shading=shading, generator=generator), cameras

    def _regularizer(self, picture: Picture, progress: float) -> Tensor:
        opacity = picture.opacity.clamp(1e-4, 1 - 1e-4)
        entropy = -(opacity * opacity.log() + (1 - opacity) * (1 - opacity).log()).mean()
        late = max(0.0, 2 * progress - 1)
        thin = self.recipe.sparsity * self.health.thin * opacity.mean()
        fog = (picture.spread * picture.opacity.detach()).mean() if picture.spread is not None else 0.0
        shape = self.recipe.spread * fog + self.recipe.bend * bends(picture)
        return thin + self.recipe.opaque * late * entropy + min(1.0, 2 * progress) * shape

    @torch.no_grad()
    def photograph(self, cameras: Cameras, size: int, *, background: Tensor = WHITE) -> Picture:
        """Lit pictures without jitter, for people and for the mesh."""
        return self.scene.render(cameras.to(self.device), size, background=background, shading="headlight")

    def _orbit(self, count: int, elevation: float) -> Cameras:
        middle = [sum(pair) / 2 for pair in (self.law.distance, self.law.fov)]
        return orbit(count, elevation=elevation, distance=middle[0], fov=middle[1])

    def preview(self) -> Tensor:
        """Four views in color above the same in normals, (3, 192, 384)."""
        picture = self.photograph(self._orbit(4, math.radians(20)), 96)
        normal = picture.normal * 0.5 + 0.5
        normal = normal * picture.opacity + (1 - picture.opacity)
        return torch.cat([torch.cat(list(row), -1) for row in (picture.rgb, normal)], -2).cpu()

    def state_dict(self) -> dict[str, Any]:
        return {
            "scene": self.scene.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "health": self.health.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require_keys(state, {"scene", "optimizer", "generator", "health"}, "the run")
        self.scene.load_state_dict(state["scene"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.health.load_state_dict(state["health"])

    def export(self, folder: Path) -> dict[str, Any]:
        """Write mesh.glb and turntable.mp4; returns what was measured about the mesh."""
        recipe = self.recipe
        generator = torch.Generator().manual_seed(recipe.seed)
        for _ in range(self.scene.occupancy.warmup):
            self.scene.refresh(generator)
        low, high = self.law.elevation
        rings = [self._orbit(8, low + (high - low) * share) for share in (0.15, 0.5, 0.9)]
        names = ("azimuth", "elevation", "distance", "fov")
        cameras = Cameras(*(torch.cat([getattr(ring, name) for ring in rings]) for name in names))
        seen = self.photograph(cameras, 128)
        eyes = torch.cat([self._orbit(16, elevation).position for elevation in (low, (low + high) / 2, high)])
        try:
            mesh, report = extract(
                self._density,
                self._albedo,
                views=FieldViews(cameras, seen.opacity.cpu(), seen.rgb.cpu(), eyes=eyes),
                resolution=recipe.mesh_resolution,
                faces=recipe.faces,
                texture=recipe.texture,
                device=self.device,
            )
        except ValueError as error:
            raise RunFailed(f"no mesh: {error}") from error
        mesh_export.export(mesh, folder / "mesh.glb")
        started = time.perf_counter()
        if recipe.turntable:
            frames = render_mesh(mesh, self._orbit(recipe.turntable, math.radians(20)), 256, supersample=2).rgb
            pictures.save_mp4(folder / "turntable.mp4", list(frames))
        seconds = {**report.seconds, "video": round(time.perf_counter() - started, 3)}
        return {
            "faces": report.faces,
            "closed": report.closed,
            "level": report.level,
            "psnr": report.psnr,
            "components_removed": report.components_removed,
            "seconds": seconds,
        }

    @torch.no_grad()
    def _density(self, points: Tensor) -> Tensor:
        return self.field.density(points)

    @torch.no_grad()
    def _albedo(self, points: Tensor) -> Tensor:
        return self.field.albedo(points)
