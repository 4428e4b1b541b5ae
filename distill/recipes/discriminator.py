"""The discriminator of discriminator guidance (Kim et al. 2022, 2211.17091, eq 6 and algorithm 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from distill.checkpoint import require_keys
from distill.engine import RunFailed
from distill.recipes.denoiser import rate_factor
from distill.sources import Batch, Source, open_source
from distill.students import EMA
from distill.times import even_times
from guidance.networks.critic import Critic
from guidance.teacher import Guided, Teacher
from guidance.teachers.embedded import VOCABULARY, EmbeddedTeacher, PromptRows, embedded_folder
from guidance.trained_discriminator import TrainedDiscriminator, build_critic, save_discriminator
from samplers.grids import to_clean, trained_range, uniform_lam
from samplers.methods.dpmpp import DPMSolverPP
from samplers.types import last


@dataclass(frozen=True)
class Discriminator:
    """Train a network to tell a teacher's samples from data at every noise level, under their prompts and cameras.

    The first `fakes / batch` steps draw the samples, which are kept; the others train.

    Attributes:
        data: "catalog", or a folder of captioned pictures: what the teacher was trained on.
        vocabulary: file of the teacher's vocabulary, for the folder that is written; empty for the embedded one's.
        steps: of drawing and training together.
        seed: of the weights, the pictures and the noise.
        batch: pictures a step, as many data as samples.
        fakes: samples of the teacher to learn from.
        fake_steps: steps of DPM-Solver++ for each.
        learning_rate: peak learning rate of AdamW.
        warmup: training steps over which the learning rate rises.
        half_life: of the average of the weights, in pictures.
        shards: of 2,048 rendered scenes each, for the catalog.
        cache: folder for rendered scenes.
    """

    data: str = "catalog"
    vocabulary: str = ""
    steps: int = 2000
    seed: int = 0
    batch: int = 16
    fakes: int = 1024
    fake_steps: int = 20
    learning_rate: float = 3e-4
    warmup: int = 50
    half_life: float = 5000.0
    shards: int = 24
    cache: str = "runs/pictures"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "fakes", "fake_steps", "shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "half_life"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if self.steps <= self.drawing:
            raise ValueError(f"drawing {self.fakes} samples takes {self.drawing} steps; steps must be more")

    @property
    def drawing(self) -> int:
        """Steps that draw samples."""
        return math.ceil(self.fakes / self.batch)

    def build(self, teacher: Teacher | None, device: torch.device) -> "DiscriminatorRun":
        """ValueError where the teacher is none of our own networks."""
        if not isinstance(teacher, EmbeddedTeacher):
            raise ValueError("a discriminator is trained on a teacher of our own: embedded, or a folder of `train`")
        return DiscriminatorRun(self, teacher, device)


class DiscriminatorRun:
    """The training of one discriminator; `export` writes its folder."""

    def __init__(self, recipe: Discriminator, teacher: EmbeddedTeacher, device: torch.device) -> None:
        self.recipe, self.teacher, self.device = recipe, teacher, device
        card = teacher.card
        with torch.random.fork_rng(devices=[]):  # initializers take no generator
            torch.manual_seed(recipe.seed)
            vocabulary = Path(recipe.vocabulary) if recipe.vocabulary else None
            self.critic = build_critic(card.size, card.text, vocabulary).to(device)
        self.ema = EMA(self.critic, recipe.half_life)
        self.source: Source = open_source(
            recipe.data, teacher.network.text, card.size.side, recipe.cache, recipe.shards
        )
        self.optimizer = torch.optim.AdamW(self.critic.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.fakes: list[Batch] = []

    def step(self, index: int) -> dict[str, float]:
        if index < self.recipe.drawing:
            self.fakes.append(self._draw())
            return {"samples": float(len(self.fakes) * self.recipe.batch)}
        recipe, generator = self.recipe, self.generator
        trained = index - recipe.drawing
        rate = recipe.learning_rate * rate_factor(trained, recipe.steps - recipe.drawing, recipe.warmup, 0.4)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, right = self.loss(self.source.batch(recipe.batch, generator), self._pick(), self._times())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.critic.parameters(), 1.0)
        told = {"loss": float(loss.detach()), "right": right, "gradient": float(norm), "learning_rate": rate}
        if not all(map(math.isfinite, told.values())):
            raise RunFailed(f"loss {told['loss']}, gradient {told['gradient']} at step {index}; lower learning_rate")
        self.optimizer.step()
        self.ema.update(self.critic, 2 * recipe.batch)
        return told

    def loss(self, real: Batch, fake: Batch, times: Tensor) -> tuple[Tensor, float]:
        """Binary cross-entropy at `times` (b,), a scalar, and the share of right answers. The optimum is the log of the
        ratio of the two noised densities, at every time."""
        judge = TrainedDiscriminator(self.teacher.card, self.critic)
        logits = []
        for batch in (real, fake):
            x0 = self.teacher.encode(batch.pictures.to(self.device))
            eps = torch.randn(x0.shape, generator=self.generator).to(self.device)
            logits.append(judge(self.teacher.schedule.diffuse(x0, times, eps), times, self._rows(batch)))
        loss = (softplus(-logits[0]) + softplus(logits[1])).mean() / 2
        right = torch.cat([logits[0] > 0, logits[1] < 0]).float().mean()
        return loss, float(right)

    def discriminator(self) -> TrainedDiscriminator:
        """With averaged weights."""
        return TrainedDiscriminator(self.teacher.card, self._average)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Data above, samples below, up to four of each, (3, 2 S, 4 S)."""
        real = self.source.batch(4, torch.Generator().manual_seed(1)).pictures
        drawn = self.fakes[0].pictures.float() if self.fakes else torch.zeros(0, *real.shape[1:])
        fake = torch.cat([drawn, torch.zeros_like(real)])[:4]
        return torch.cat([torch.cat(list(row), -1) for row in (real, fake)], -2)

    def state_dict(self) -> dict[str, Any]:
        return {
            "critic": self.critic.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "fakes": [[b.pictures, b.text, b.camera] for b in self.fakes],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require_keys(state, {"critic", "ema", "optimizer", "generator", "fakes"}, "the training of a discriminator")
        self.critic.load_state_dict(state["critic"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.fakes = [Batch(*parts) for parts in state["fakes"]]

    def export(self, folder: Path) -> dict[str, Any]:
        card, vocabulary = self.teacher.card, None
        if card.text == "slots":
            path = Path(self.recipe.vocabulary) if self.recipe.vocabulary else embedded_folder() / VOCABULARY
            vocabulary = path.read_text(encoding="utf-8")
        save_discriminator(folder / "discriminator", card, self._average, vocabulary)
        count = sum(p.numel() for p in self.critic.parameters())
        return {"discriminator": str(folder / "discriminator"), "parameters": count}

    @property
    def _average(self) -> Critic:
        assert isinstance(self.ema.model, Critic)
        return self.ema.model

    def _rows(self, batch: Batch) -> PromptRows:
        null = torch.zeros(len(batch.text), dtype=torch.bool, device=self.device)
        return PromptRows(batch.text.to(self.device), batch.camera.to(self.device), null)

    @torch.no_grad()
    def _draw(self) -> Batch:
        """Samples of the teacher under captions and cameras of the data, without guidance, in half precision."""
        told, schedule = self.source.batch(self.recipe.batch, self.generator), self.teacher.schedule
        rows = self._rows(told)
        eps = torch.randn(len(rows), *self.teacher.shape, generator=self.generator).to(self.device)
        start, end = trained_range(schedule)
        grid = to_clean(uniform_lam(schedule, max(1, self.recipe.fake_steps - 1), start=start, end=end))
        x = float(schedule.sigma(start)) * eps
        x = last(DPMSolverPP()(Guided(self.teacher, rows, rows, 1.0), schedule, x, grid))
        return Batch(self.teacher.decode(x).half().cpu(), told.text, told.camera)

    def _pick(self) -> Batch:
        """A batch of the kept samples."""
        every = [torch.cat([getattr(b, name) for b in self.fakes]) for name in ("pictures", "text", "camera")]
        index = torch.randint(len(every[0]), (self.recipe.batch,), generator=self.generator)
        return Batch(every[0][index].float(), every[1][index], every[2][index])

    def _times(self) -> Tensor:
        return even_times(self.teacher.schedule, self.recipe.batch, self.generator)
