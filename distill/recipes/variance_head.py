"""Heads for the variance of x0: SN-DPM and NPR-DPM (Bao et al. 2022, 2206.07309, theorems 1 and 2, section 4)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from distill.checkpoint import require_keys
from distill.engine import RunFailed
from distill.recipes.denoiser import rate_factor
from distill.sources import Source, open_source
from distill.students import EMA
from distill.times import even_times
from guidance.networks.precondition import Preconditioner
from guidance.networks.variance import VarianceNet, build_variance
from guidance.teacher import Teacher
from guidance.teachers.embedded import VOCABULARY, EmbeddedTeacher, embedded_folder, save_teacher


@dataclass(frozen=True)
class VarianceHead:
    """Train a head for variances on a teacher that stays as it is.

    Attributes:
        moment: "residual" (NPR) learns the squared error of the teacher's answer, and is right for an imperfect one;
            "square" (SN) the squared target, from which the square of the answer is taken off.
        data: "catalog", or a folder of captioned pictures: what the teacher was trained on.
        vocabulary: file of the teacher's vocabulary, for the folder that is written; empty for the embedded one's.
        steps: training steps.
        seed: of the weights, the pictures and the noise.
        batch: pictures a step.
        learning_rate: peak learning rate of AdamW.
        warmup: steps over which the learning rate rises.
        cooldown: share of the steps, at the end, over which it falls to zero.
        drop: share of the pictures shown without text and camera.
        half_life: of the average of the weights, in pictures.
        shards: of 2,048 rendered scenes each, for the catalog.
        cache: folder for rendered scenes.
    """

    moment: Literal["residual", "square"] = "residual"
    data: str = "catalog"
    vocabulary: str = ""
    steps: int = 2000
    seed: int = 0
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 100
    cooldown: float = 0.4
    drop: float = 0.1
    half_life: float = 10_000.0
    shards: int = 24
    cache: str = "runs/pictures"

    def __post_init__(self) -> None:
        if self.moment not in get_args(Literal["residual", "square"]):
            raise ValueError(f"moment is residual (NPR) or square (SN), got {self.moment!r}")
        for name in ("steps", "batch", "shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "half_life"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        for name in ("drop", "cooldown"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1, got {getattr(self, name)}")

    def build(self, teacher: Teacher | None, device: torch.device) -> "VarianceHeadRun":
        """ValueError where the teacher is none of our own networks, whose features the head reads."""
        if not isinstance(teacher, EmbeddedTeacher):
            raise ValueError("a head for variances needs a teacher of our own: embedded, or a folder of `train`")
        return VarianceHeadRun(self, teacher, device)


class VarianceHeadRun:
    """The training of one head; `export` writes the teacher's folder anew, with the head in it."""

    def __init__(self, recipe: VarianceHead, teacher: EmbeddedTeacher, device: torch.device) -> None:
        self.recipe, self.teacher, self.device = recipe, teacher, device
        card = replace(teacher.card, variance=recipe.moment)
        self.card, self.schedule, self.network = card, teacher.schedule, teacher.network
        with torch.random.fork_rng(devices=[]):  # initializers take no generator
            torch.manual_seed(recipe.seed)
            self.head = build_variance(card.size).to(device)
        self.ema = EMA(self.head, recipe.half_life)
        self.source: Source = open_source(recipe.data, self.network.text, card.size.side, recipe.cache, recipe.shards)
        self.precondition = Preconditioner(card.form, card.data_std)
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def step(self, index: int) -> dict[str, float]:
        recipe, generator = self.recipe, self.generator
        rate = recipe.learning_rate * rate_factor(index, recipe.steps, recipe.warmup, recipe.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.source.batch(recipe.batch, generator)
        drop = torch.rand(recipe.batch, generator=generator)[:, None] < recipe.drop
        text = torch.where(drop, self.network.text.null_row(), batch.text).to(self.device)
        camera = torch.where(drop, torch.zeros(4), batch.camera).to(self.device)
        times = even_times(self.schedule, recipe.batch, generator)
        x0 = (batch.pictures * 2 - 1).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        loss = self.loss(x0, eps, times, text, camera)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.head.parameters(), 1.0)
        told = {"loss": float(loss.detach()), "gradient": float(norm), "learning_rate": rate}
        if not all(map(math.isfinite, told.values())):
            raise RunFailed(f"loss {told['loss']}, gradient {told['gradient']} at step {index}; lower learning_rate")
        self.optimizer.step()
        self.ema.update(self.head, recipe.batch)
        return told

    def loss(self, x0: Tensor, eps: Tensor, times: Tensor, text: Tensor, camera: Tensor) -> Tensor:
        """Mean squared error against the squares, a scalar; its optimum is their conditional mean."""
        alpha, sigma = self.schedule.coefficients(times, x0)
        seen = (alpha * x0 + sigma * eps) * self.precondition.scale_in(alpha, sigma)
        with torch.no_grad():
            level = self.schedule.lam(times).to(x0)
            answer, features, condition = self.network.answered(seen, level, text, camera)
            target = self.precondition.target(x0, eps, alpha, sigma)
            square = (target - answer if self.recipe.moment == "residual" else target).square()
        return (self.head(features, condition) - square).square().mean()

    def taught(self) -> EmbeddedTeacher:
        """The teacher with the averaged head."""
        return EmbeddedTeacher(self.card, self.network, self._average)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Where the teacher is unsure: deviations of x0 at four noise levels, of four pictures, (3, 4 S, 4 S)."""
        generator, teacher = torch.Generator().manual_seed(1), self.taught()
        batch = self.source.batch(4, generator)
        cond = teacher.embed([""] * 4)
        cond = type(cond)(batch.text.to(self.device), batch.camera.to(self.device), cond.null)
        x0 = (batch.pictures * 2 - 1).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        rows = []
        for lam in (-1.5, -0.5, 0.5, 1.5):
            t = self.schedule.t_of_lam(lam)
            var = teacher(self.schedule.diffuse(x0, t, eps), t, cond).var
            assert var is not None
            rows.append(torch.cat(list(var.sqrt().clamp(0, 1).cpu()), -1))
        return torch.cat(rows, -2)

    def state_dict(self) -> dict[str, Any]:
        return {
            "head": self.head.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require_keys(state, {"head", "ema", "optimizer", "generator"}, "the training of a head")
        self.head.load_state_dict(state["head"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def export(self, folder: Path) -> dict[str, Any]:
        vocabulary = None
        if self.card.text == "slots":
            path = Path(self.recipe.vocabulary) if self.recipe.vocabulary else embedded_folder() / VOCABULARY
            vocabulary = path.read_text(encoding="utf-8")
        save_teacher(folder / "teacher", self.card, self.network, vocabulary, self._average)
        return {"teacher": str(folder / "teacher"), "parameters": sum(p.numel() for p in self.head.parameters())}

    @property
    def _average(self) -> VarianceNet:
        assert isinstance(self.ema.model, VarianceNet)
        return self.ema.model
