"""Teachers of our own making: a folder with `teacher.json`, weights, and for the catalog's ones a vocabulary.

The embedded teacher in `assets/embedded` is one of them; `distill.recipes.denoiser` trains more.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from guidance.networks.feature_field import FieldSize
from guidance.networks.precondition import Form, Preconditioner
from guidance.networks.scene_unet import SceneUNet
from guidance.networks.text import SlotText, WordText
from guidance.networks.unet import CAMERA, UNet, UNetSize
from guidance.networks.variance import VarianceNet, build_variance
from guidance.teacher import CameraLaw, Views
from guidance.vocabulary import Vocabulary, load_vocabulary
from samplers.prediction import Prediction
from samplers.schedule import NoiseSchedule, schedule_from_json

CARD, VOCABULARY, WEIGHTS = "teacher.json", "vocabulary.json", "weights-*.safetensors"
VARIANCE = "variance.safetensors"
FORMAT = 1
SHARD_BYTES = 14_000_000
Network = UNet | SceneUNet


Moment = Literal["residual", "square"]
"""What a head for variances learned the mean of: the squared residual of the answer (NPR), or the squared target (SN).
"""


@dataclass(frozen=True, eq=False)
class PromptRows:
    """Embedded prompts: text rows (n, r), camera rows (n, 4) that are zero until bound, null (n,) bool."""

    text: Tensor
    camera: Tensor
    null: Tensor

    def __len__(self) -> int:
        return self.text.shape[0]

    def __getitem__(self, rows: Tensor) -> "PromptRows":
        return PromptRows(self.text[rows], self.camera[rows], self.null[rows])

    def cat(self, other: "PromptRows") -> "PromptRows":
        return PromptRows(*(torch.cat([getattr(self, n), getattr(other, n)]) for n in ("text", "camera", "null")))

    def at(self, views: Views) -> "PromptRows":
        """One row a view. The null prompt takes no camera either: guidance then pushes toward the camera as well."""
        count = len(views)
        if len(self) not in (1, count):
            raise ValueError(f"{len(self)} prompts for {count} views: give one prompt, or one a view")
        bound = self if len(self) == count else self[torch.zeros(count, dtype=torch.long, device=self.text.device)]
        camera = camera_rows(views).to(self.camera)
        return replace(bound, camera=torch.where(bound.null[:, None], torch.zeros_like(camera), camera))


def camera_rows(views: Views) -> Tensor:
    """(V, 4): azimuth, elevation, distance, fov."""
    return torch.stack([views.azimuth, views.elevation, views.distance, views.fov], -1)


@dataclass(frozen=True)
class Card:
    """What `teacher.json` says.

    text: "slots" or "words". data_std, prior_std: see `Preconditioner`. valid_for: subset of sample, generate, distill.
    notes: how it was made, what was measured.
    sampler: the only one that it answers to, as a consistency model does; None for any.
    variance: what its head for variances learned; None where it has none.
    """

    schedule: NoiseSchedule
    form: Form
    size: UNetSize
    text: str
    cameras: CameraLaw | None
    data_std: float
    valid_for: tuple[str, ...]
    notes: Mapping[str, Any]
    sampler: str | None = None
    variance: Moment | None = None
    prior_std: float = 0.1

    def __post_init__(self) -> None:
        Preconditioner(self.form, self.data_std, self.prior_std)  # refuses what no network was trained for
        if self.variance not in (None, *get_args(Moment)):
            raise ValueError(f"unknown moment {self.variance!r} of a head; known: {', '.join(get_args(Moment))}")

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": "embedded",
            "schedule": self.schedule.to_json(),
            "prediction": self.form,
            "data_std": self.data_std,
            "prior_std": self.prior_std,
            "network": asdict(self.size),
            "text": self.text,
            "cameras": self.cameras.to_json() if self.cameras else None,
            "light": "head-light: albedo * (0.45 + 0.55 max(0, n.v))",
            "valid_for": list(self.valid_for),
            "sampler": self.sampler,
            "variance": self.variance,
            "notes": dict(self.notes),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Card":
        """The card that `to_json` wrote. KeyError, TypeError or ValueError where it did not."""
        network = dict(data["network"])
        return Card(
            schedule_from_json(data["schedule"]),
            data["prediction"],
            UNetSize(**{**network, "levels": tuple(network["levels"]), "field": FieldSize(**network.get("field", {}))}),
            data["text"],
            CameraLaw.from_json(data["cameras"]) if data["cameras"] else None,
            data["data_std"],
            tuple(data["valid_for"]),
            data["notes"],
            data.get("sampler"),  # cards of an older version have none of these
            data.get("variance"),
            data.get("prior_std", 0.1),
        )


class EmbeddedTeacher:
    """A trained network with its process, prompts and cameras: pixel space, pictures in [-1, 1] inside.

    With a head for variances its predictions bring the variance of x0.
    """

    def __init__(self, card: Card, network: Network, head: VarianceNet | None = None) -> None:
        if (head is None) != (card.variance is None):
            raise ValueError(
                f"the card says variance {card.variance!r}, and there is {'no' if head is None else 'a'} head"
            )
        self.card = card
        self.network = network
        self.head = head
        self.schedule = card.schedule
        self.shape = (card.size.channels, card.size.side, card.size.side)
        self.cameras = card.cameras
        self._precondition = Preconditioner(card.form, card.data_std, card.prior_std)

    def embed(self, prompts: Sequence[str]) -> PromptRows:
        """Rows of prompts; ValueError in one line names what a prompt says that this teacher does not know."""
        text = self.network.text.rows(prompts).to(self._device)
        null = torch.tensor([not p for p in prompts], device=self._device)
        return PromptRows(text, torch.zeros(len(prompts), CAMERA, device=self._device), null)

    def encode(self, images: Tensor) -> Tensor:
        side = self.shape[-1]
        if images.shape[-1] != side:
            images = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return images * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)

    def __call__(self, x_t: Tensor, t: Tensor, cond: PromptRows) -> Prediction:
        alpha, sigma = self.schedule.coefficients(t, x_t)
        level = self.schedule.lam(torch.as_tensor(t)).to(x_t).expand(x_t.shape[0])
        seen = x_t * self._precondition.scale_in(alpha, sigma)
        if self.head is None:
            raw = self.network(seen, level, cond.text, cond.camera)
            return self._precondition.prediction(raw, x_t, alpha, sigma)
        raw, features, condition = self.network.answered(seen, level, cond.text, cond.camera)
        moment = self.head(features, condition)
        spread = moment - raw**2 if self.card.variance == "square" else moment
        var = self._precondition.x0_per_raw(alpha, sigma) ** 2 * spread.clamp_min(0)
        return replace(self._precondition.prediction(raw, x_t, alpha, sigma), var=var)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def build_network(
    size: UNetSize,
    text: str,
    form: Form,
    vocabulary: Vocabulary | None = None,
    *,
    data_std: float = 0.5,
    prior_std: float = 0.1,
) -> Network:
    """A fresh network with the text encoder "slots" (of a vocabulary, the embedded teacher's where none is given) or
    "words", in channels-last layout: a `SceneUNet` for the form "posterior", a plain `UNet` for the others. `data_std`
    and `prior_std` are the card's."""
    encoders = {
        "slots": lambda: SlotText(vocabulary or load_vocabulary(), size.text),
        "words": lambda: WordText(size.text),
    }
    if text not in encoders:
        raise ValueError(f"unknown text encoder {text!r}; known: {', '.join(encoders)}")
    encoder = encoders[text]()
    if form != "posterior":
        network: Network = UNet(size, encoder)
    elif isinstance(encoder, SlotText):
        network = SceneUNet(size, encoder, data_std=data_std, prior_std=prior_std)
    else:
        raise ValueError("the form posterior draws the catalog's things; pictures of your own take another, such as v")
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub lacks it)


def save_teacher(
    folder: Path, card: Card, network: Network, vocabulary: str | None, head: VarianceNet | None = None
) -> None:
    """Write a teacher folder: fp16 weights in shards of at most 14 MB, those of a head, and the card.

    Written aside first: a full disk leaves an earlier teacher in `folder` whole. The card moves last, so that a cut
    write is no teacher.
    """
    fresh = folder.with_name(folder.name + ".writing")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    shards = _shards(network)
    for number, shard in enumerate(shards, 1):
        (fresh / f"weights-{number}-of-{len(shards)}.safetensors").write_bytes(save(shard))
    if vocabulary is not None:
        (fresh / VOCABULARY).write_text(vocabulary, encoding="utf-8")
    if head is not None:
        (fresh / VARIANCE).write_bytes(save({name: _half(tensor) for name, tensor in head.state_dict().items()}))
    (fresh / CARD).write_text(json.dumps(card.to_json(), indent=1) + "\n", encoding="utf-8")
    folder.mkdir(exist_ok=True)
    for old in (folder / CARD, *folder.glob(WEIGHTS), folder / VOCABULARY, folder / VARIANCE):
        old.unlink(missing_ok=True)
    for path in sorted(fresh.iterdir(), key=lambda p: p.name == CARD):
        path.replace(folder / path.name)
    fresh.rmdir()


def _shards(network: Network) -> list[dict[str, Tensor]]:
    """The weights in fp16, in dictionaries of at most SHARD_BYTES (more where a single tensor is larger)."""
    shards: list[dict[str, Tensor]] = [{}]
    for name, tensor in network.state_dict().items():
        half = _half(tensor)
        held = sum(t.nbytes for t in shards[-1].values())
        if held and held + half.nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = half
    return shards


def _half(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().half().contiguous()


def load_teacher(folder: Path, device: torch.device) -> EmbeddedTeacher:
    """The teacher of a folder. ValueError in one line where it is incomplete, damaged or of another format."""
    if not (folder / CARD).is_file():
        raise ValueError(f"{folder} is no teacher folder: it has no {CARD}")
    try:
        card = _read_card(folder / CARD)
        words = load_vocabulary(folder / VOCABULARY) if card.text == "slots" else None
        spread = {"data_std": card.data_std, "prior_std": card.prior_std}
        network = build_network(card.size, card.text, card.form, words, **spread)
        weights: dict[str, Tensor] = {}
        for path in sorted(folder.glob(WEIGHTS)):
            weights |= load_file(path)
        network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        head = None if card.variance is None else build_variance(card.size)
        if head is not None:
            learned = load_file(folder / VARIANCE)
            head.load_state_dict({name: tensor.float() for name, tensor in learned.items()})
            head.requires_grad_(False).eval().to(device)
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"{folder} is no whole teacher of this version ({reason}); copy it again") from error
    network.requires_grad_(False).eval()
    return EmbeddedTeacher(card, network.to(device), head)


def _read_card(path: Path) -> Card:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["format"] != FORMAT or data["kind"] != "embedded":
        raise ValueError(f"{path.name} says format {data['format']} of {data['kind']}, this reads {FORMAT} of embedded")
    return Card.from_json(data)


def embedded_folder() -> Path:
    """Where the teacher that ships with the project lies."""
    return Path(str(resources.files("assets").joinpath("embedded")))
