"""A trained discriminator in a folder: the card of the teacher that it judges, and its weights."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from guidance.discriminator import Discriminator
from guidance.networks.critic import Critic
from guidance.networks.precondition import Preconditioner
from guidance.networks.text import SlotText, WordText
from guidance.networks.unet import UNetSize
from guidance.teachers.embedded import VOCABULARY, Card, PromptRows
from guidance.vocabulary import load_vocabulary

CARD, WEIGHTS = "discriminator.json", "critic.safetensors"


class TrainedDiscriminator:
    """Tells noised data from noised samples of the teacher whose card it has."""

    def __init__(self, card: Card, critic: Critic) -> None:
        self.card, self.critic = card, critic
        self._precondition = Preconditioner(card.form, card.data_std)

    def __call__(self, x_t: Tensor, t: Tensor, cond: PromptRows) -> Tensor:
        """Logits (b,) of being data, of `x_t` (b, C, S, S) under the prompts and cameras of the teacher's `cond`."""
        alpha, sigma = self.card.schedule.coefficients(t, x_t)
        level = self.card.schedule.lam(torch.as_tensor(t)).to(x_t).expand(x_t.shape[0])
        return self.critic(x_t * self._precondition.scale_in(alpha, sigma), level, cond.text, cond.camera)

    def under(self, cond: PromptRows) -> Discriminator:
        """For `DiscriminatorGuided`: bound to the prompts of a batch, one row a sample or one for all."""

        def logits(x_t: Tensor, t: Tensor) -> Tensor:
            rows = cond if len(cond) == len(x_t) else cond[torch.zeros(len(x_t), dtype=torch.long)]
            return self(x_t, t, rows)

        return logits


def build_critic(size: UNetSize, text: str, vocabulary: Path | None = None) -> Critic:
    """A fresh critic with the text encoder "slots" (of a vocabulary file) or "words"."""
    encoder = SlotText(load_vocabulary(vocabulary), size.text) if text == "slots" else WordText(size.text)
    return Critic(size, encoder)


def save_discriminator(folder: Path, card: Card, critic: Critic, vocabulary: str | None) -> None:
    """Write a folder; the card comes last, so that a cut write is no discriminator."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    weights = {name: t.detach().cpu().half().contiguous() for name, t in critic.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights))
    if vocabulary is not None:
        (folder / VOCABULARY).write_text(vocabulary, encoding="utf-8")
    text = json.dumps({**card.to_json(), "kind": "discriminator"}, indent=1) + "\n"
    (folder / CARD).write_text(text, encoding="utf-8")


def load_discriminator(folder: Path, device: torch.device) -> TrainedDiscriminator:
    """The discriminator of a folder. ValueError in one line where it is incomplete or damaged."""
    try:
        card = Card.from_json(json.loads((folder / CARD).read_text(encoding="utf-8")))
        critic = build_critic(card.size, card.text, folder / VOCABULARY if card.text == "slots" else None)
        critic.load_state_dict({name: tensor.float() for name, tensor in load((folder / WEIGHTS).read_bytes()).items()})
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"{folder} is no whole discriminator of this version ({reason}); train it again") from error
    return TrainedDiscriminator(card, critic.requires_grad_(False).eval().to(device))
