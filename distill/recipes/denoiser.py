"""Denoising score matching: trains a teacher from captioned pictures (Ho et al. 2020, 2006.11239; Song et al. 2021,
2011.13456; Karras et al. 2022, 2206.00364; survey section 1.4)."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from distill.catalog.captions import VOCABULARY as WORDS
from distill.catalog.captions import vocabulary_data
from distill.checkpoint import require_keys
from distill.engine import RunFailed
from distill.sources import Source, open_source
from distill.students import EMA
from guidance.networks.precondition import FORMS, Form, Preconditioner
from guidance.networks.scene_unet import SceneUNet
from guidance.networks.unet import UNetSize
from guidance.teacher import Guided, Teacher
from guidance.teachers.embedded import (
    Card,
    EmbeddedTeacher,
    Network,
    build_network,
    load_teacher,
    save_teacher,
)
from samplers.grids import to_clean, uniform_lam
from samplers.methods.ddim import DDIM
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, VPCosine, VPLinear
from samplers.types import last

Process = Literal["cosine", "linear", "ve", "edm", "flow"]
SCHEDULES: dict[Process, NoiseSchedule] = {
    "cosine": VPCosine(),
    "linear": VPLinear(),
    "ve": VE(),
    "edm": EDM(),
    "flow": RectifiedFlow(),
}
EDM_MEAN, EDM_STD = -1.2, 1.2  # ln sigma of the training noise, Karras et al. 2022, table 1
EDM_LEAST = 0.002  # the least noise that they sample with
EDGE = 1e-3  # times stay this far from both ends, where the targets or the noise level are infinite


VOLUME_PACE = 20.0  # learning rate of volumes over that of networks
TOLD = ("steps", "seed", "batch", "learning_rate", "drop", "half_life")  # what the card says of the training


@dataclass(frozen=True)
class Denoiser:
    """Train a denoiser on the catalog, or on a folder of pictures with equally named .txt captions.

    Attributes:
        data: "catalog", or a folder of pictures with equally named .txt captions.
        steps: training steps.
        seed: of the weights, the pictures and the noise.
        batch: pictures a step.
        side: side of the pictures in pixels, a multiple of 16.
        levels: features at the 16, 8 and 4 pixel levels of the network, multiples of 16.
        width: numbers that text, camera and noise level become; most of a small network's weights.
        process: noise process.
        form: what the network predicts; "edm" is Karras et al.'s preconditioning, "posterior" draws the catalog's
            things in space first. The default is "posterior" on the catalog, "v" on pictures.
        learning_rate: peak learning rate of AdamW.
        warmup: steps over which the learning rate rises.
        cooldown: share of the steps, at the end, over which it falls to zero.
        drop: share of the pictures shown without text and camera, for classifier-free guidance.
        half_life: of the average of the weights, in pictures.
        shards: of 2,048 rendered scenes each, for the catalog.
        cache: folder for rendered scenes.
        start_from: folder of a teacher of the same shape to go on from; empty for fresh weights.
        bfloat16: compute in bfloat16 with float32 weights; a third faster on processors made for it.
    """

    data: str = "catalog"
    steps: int = 10_000
    seed: int = 0
    batch: int = 32
    side: int = 64
    levels: tuple[int, int, int] = (80, 160, 256)
    width: int = 384
    process: Process = "cosine"
    form: Form | None = None
    learning_rate: float = 1e-3
    warmup: int = 200
    cooldown: float = 0.4
    drop: float = 0.1
    half_life: float = 20_000.0
    shards: int = 24
    cache: str = "runs/pictures"
    start_from: str = ""
    bfloat16: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "side", "shards", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "half_life"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        for name in ("data", "cache"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty; name a folder")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0 steps, got {self.warmup}")
        for name in ("drop", "cooldown"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1, got {getattr(self, name)}")
        if self.process not in SCHEDULES:
            raise ValueError(f"unknown process {self.process!r}; known: {', '.join(SCHEDULES)}")
        if self.form not in (None, *FORMS):
            raise ValueError(f"unknown form {self.form!r}; known: {', '.join(FORMS)}")
        if self.form == "posterior" and self.data != "catalog":
            raise ValueError("the form posterior draws the catalog's things; for pictures take another, such as v")
        UNetSize(side=self.side, levels=self.levels, width=self.width)

    @property
    def predicts(self) -> Form:
        """The form in use."""
        return self.form or ("posterior" if self.data == "catalog" else "v")

    def build(self, teacher: Teacher | None, device: torch.device) -> "DenoiserRun":
        return DenoiserRun(self, device)


class DenoiserRun:
    """The training of one denoiser; `export` writes a teacher folder."""

    def __init__(self, recipe: Denoiser, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.schedule = SCHEDULES[recipe.process]
        size = UNetSize(side=recipe.side, levels=recipe.levels, width=recipe.width)
        text = "slots" if recipe.data == "catalog" else "words"
        with torch.random.fork_rng(devices=[]):  # initializers take no generator
            torch.manual_seed(recipe.seed)
            self.network = build_network(size, text, recipe.predicts, WORDS)
        if recipe.start_from:
            self._start_from(load_teacher(Path(recipe.start_from), device), size, text)
        self.network.to(device)
        self.ema = EMA(self.network, recipe.half_life)
        self.source: Source = open_source(recipe.data, self.network.text, recipe.side, recipe.cache, recipe.shards)
        self.card = Card(
            schedule=self.schedule,
            form=recipe.predicts,
            size=size,
            text=text,
            cameras=self.source.cameras,
            data_std=0.5,
            valid_for=("sample", "generate", "distill"),
            notes={name: getattr(recipe, name) for name in TOLD},
        )
        self.precondition = Preconditioner(recipe.predicts, self.card.data_std, self.card.prior_std)
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network), lr=recipe.learning_rate, betas=(0.9, 0.99), fused=fused
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def step(self, index: int) -> dict[str, float]:
        recipe, generator = self.recipe, self.generator
        rate = recipe.learning_rate * rate_factor(index, recipe.steps, recipe.warmup, recipe.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["pace"]
        batch = self.source.batch(recipe.batch, generator)
        drop = torch.rand(recipe.batch, generator=generator)[:, None] < recipe.drop
        text = torch.where(drop, self.network.text.null_row(), batch.text).to(self.device)
        camera = torch.where(drop, torch.zeros(4), batch.camera).to(self.device)
        times = self._times(generator)
        x0 = (batch.pictures * 2 - 1).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        loss = self.loss(x0, eps, times, text, camera)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        told = {"loss": float(loss.detach()), "gradient": float(norm), "learning_rate": rate}
        if not all(map(math.isfinite, told.values())):
            raise RunFailed(f"loss {told['loss']}, gradient {told['gradient']} at step {index}; lower learning_rate")
        self.optimizer.step()
        self.ema.update(self.network, recipe.batch)
        return told

    def loss(self, x0: Tensor, eps: Tensor, times: Tensor, text: Tensor, camera: Tensor) -> Tensor:
        """Mean squared error of the raw output, a scalar, with the weight of its form."""
        alpha, sigma = self.schedule.coefficients(times, x0)
        x_t = alpha * x0 + sigma * eps
        level = self.schedule.lam(times).to(x0)
        scaled, draft = x_t * self.precondition.scale_in(alpha, sigma), 0.0
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bfloat16):
            if isinstance(self.network, SceneUNet):
                maps = self.network.maps(text, camera)
                raw = self.network(scaled, level, text, camera, maps)
                draft = self.network.draft_error(maps, text, x0)
            else:
                raw = self.network(scaled, level, text, camera)
        error = (raw.to(x0) - self.precondition.target(x0, eps, alpha, sigma)).square()
        return (self.precondition.weight(alpha, sigma) * error).mean() + draft

    def _times(self, generator: torch.Generator) -> Tensor:
        """(b,) float64: log-normal noise for EDM, otherwise uniform with one time in each of b equal intervals."""
        count = self.recipe.batch
        if self.recipe.predicts == "edm":
            log_sigma = EDM_MEAN + EDM_STD * torch.randn(count, generator=generator, dtype=torch.float64)
            return self.schedule.t_of_lam(-log_sigma.clamp_min(math.log(EDM_LEAST))).clamp_max(1 - EDGE)
        order = torch.randperm(count, generator=generator)
        return ((order + torch.rand(count, generator=generator, dtype=torch.float64)) / count).clamp(EDGE, 1 - EDGE)

    def teacher(self) -> EmbeddedTeacher:
        """The averaged network as a teacher."""
        return EmbeddedTeacher(self.card, self._average)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Eight samples in two rows of four, (3, 2 S, 4 S), always of the same prompts, cameras and noise."""
        generator = torch.Generator().manual_seed(1)
        batch = self.source.batch(8, generator)
        teacher = self.teacher()
        cond = teacher.embed([""] * 8)
        cond = type(cond)(batch.text.to(self.device), batch.camera.to(self.device), cond.null)
        guided = Guided(teacher, cond, teacher.embed([""]), 2.0)
        _, sigma = self.schedule.coefficients(1 - EDGE, torch.zeros(8, *teacher.shape))
        noise = (sigma * torch.randn(8, *teacher.shape, generator=generator)).to(self.device)
        grid = to_clean(uniform_lam(self.schedule, 16, start=1 - EDGE, end=EDGE))
        x = last(DDIM()(guided, self.schedule, noise, grid))
        rows = teacher.decode(x).cpu().reshape(2, 4, 3, *teacher.shape[1:])
        return torch.cat([torch.cat(list(row), -1) for row in rows], -2)

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require_keys(state, {"network", "ema", "optimizer", "generator"}, "the training run")
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def export(self, folder: Path) -> dict[str, Any]:
        vocabulary = json.dumps(vocabulary_data(), indent=1) + "\n" if self.card.text == "slots" else None
        save_teacher(folder / "teacher", self.card, self._average, vocabulary)
        return {"teacher": str(folder / "teacher"), "parameters": sum(p.numel() for p in self.network.parameters())}

    @property
    def _average(self) -> Network:
        assert isinstance(self.ema.model, Network)
        return self.ema.model

    def _start_from(self, teacher: EmbeddedTeacher, size: UNetSize, text: str) -> None:
        card = teacher.card
        held, asked = (card.size, card.text, card.form), (size, text, self.recipe.predicts)
        if held != asked:
            raise ValueError(f"start_from {self.recipe.start_from} holds another network: {held}, not {asked}")
        self.network.load_state_dict(teacher.network.state_dict())


def parameter_groups(network: Network) -> list[dict[str, Any]]:
    """Of an optimizer: volumes take large steps and no decay, since few pictures show a cell; `pace` is relative."""
    volumes = [network.field.volumes, network.field.patterns] if isinstance(network, SceneUNet) else []
    rest = [p for p in network.parameters() if all(p is not v for v in volumes)]
    groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": 0.01, "pace": 1.0}]
    return groups + ([{"params": volumes, "weight_decay": 0.0, "pace": VOLUME_PACE}] if volumes else [])


def rate_factor(index: int, steps: int, warmup: int, cooldown: float) -> float:
    """Learning rate at step `index` over its peak: a linear rise, a plateau, and a linear fall to zero at the end."""
    rise = min(1.0, (index + 1) / max(1, warmup))
    fall = (steps - index) / max(1.0, cooldown * steps)
    return min(rise, fall, 1.0)
