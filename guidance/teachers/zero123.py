"""Zero-1-to-3 (Liu et al. 2023, 2303.11328): a picture and the way from its camera to another one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import pi, radians
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from guidance.teacher import CameraLaw, Views
from guidance.teachers.codecs import Codec, Latents, latents_of, reduction, resized
from guidance.teachers.diffusion import DiffusionTeacher, fits, ready, side_of, tiled
from guidance.teachers.parts import Parts
from guidance.teachers.process import read_process
from guidance.teachers.rows import Rows

HALF = 0.5  # half-size of the objects it was trained on, 1 in our world
LAW = CameraLaw(
    azimuth=(-pi, pi),
    elevation=(radians(-10), radians(80)),
    distance=(1.5 / HALF, 2.2 / HALF),
    fov=(radians(49.1), radians(49.1)),
)
CLIP_SIDE = 224
CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def relative_pose(views: Views, elevation: Tensor) -> Tensor:
    """(V, 4): from a camera at azimuth 0, `elevation` (V,) and the middle distance of the law to each view: the polar
    angle's change, the sine and the cosine of the azimuth's, and that of the distance in the model's units.

    Both worlds turn counterclockwise seen from above, so that only the polar angle, from the zenith, changes its sign.
    """
    middle = sum(LAW.distance) / 2
    down = elevation.to(views.elevation) - views.elevation
    return torch.stack([down, views.azimuth.sin(), views.azimuth.cos(), (views.distance - middle) * HALF], -1)


def bind(rows: Rows, views: Views) -> Mapping[str, Tensor]:
    return {"pose": relative_pose(views, rows.tensors["elevation"]).to(rows.tensors["seen"])}


class Looker:
    """Makes rows of pictures; a prompt is the path of one, "" the condition that says nothing.

    open_encoder gives CLIP's image encoder; it is called when a picture comes and freed by `close`. elevation: of the
    camera of these pictures, in radians.
    """

    def __init__(self, open_encoder: Callable[[], Any], codec: Latents, elevation: float) -> None:
        self._open, self._codec, self._elevation = open_encoder, codec, elevation
        self._encoder: Any = None

    def embed(self, prompts: Sequence[str]) -> Rows:
        side = self._codec.side
        pictures = [read_picture(Path(p), side) if p else torch.zeros(3, side, side) for p in prompts]
        return self.look(torch.stack(pictures), [bool(p) for p in prompts])

    @torch.no_grad()
    def look(self, pictures: Tensor, given: Sequence[bool]) -> Rows:
        """Rows of pictures (n, 3, h, w) in [0, 1]; those not `given` say nothing."""
        if self._encoder is None:
            self._encoder = self._open()
        vae, encoder = self._codec.vae, self._encoder
        pictures = pictures.to(vae.device)
        small = nn.functional.interpolate(pictures, (CLIP_SIDE, CLIP_SIDE), mode="bicubic", align_corners=True)
        normal = (small - CLIP_MEAN.to(small)) / CLIP_STD.to(small)
        seen = encoder(normal.to(encoder.dtype)).image_embeds.float()
        # Not scaled, as these networks were trained.
        raw = vae.encode((resized(pictures, self._codec.side) * 2 - 1).to(vae.dtype)).latent_dist.mode().float()
        elevation = torch.full((len(pictures),), self._elevation).to(seen)
        keep = torch.tensor(list(given), device=seen.device)
        return Rows({"seen": seen, "latent": raw, "elevation": elevation, "given": keep}, bind)

    def close(self) -> None:
        self._encoder = None


def read_picture(path: Path, side: int) -> Tensor:
    """(3, side, side) in [0, 1]: a picture file, in the middle of a white square. ValueError where it is none."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA")
    except OSError as error:
        raise ValueError(
            f"this teacher is told by a picture, and {str(path)!r} is no picture file ({type(error).__name__})"
        ) from error
    longest = max(picture.size)
    square = Image.new("RGBA", (longest, longest), "white")
    square.alpha_composite(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    small = square.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small, dtype="float32") / 255).movedim(-1, 0).clone()


@dataclass(frozen=True, eq=False)
class Posed:
    """The U-Net with the picture's latents beside x, and the picture and the pose, projected, as its one token."""

    projection: Any

    def __call__(self, network: Any, x: Tensor, clock: Tensor, rows: Rows) -> Tensor:
        pose = rows.tensors.get("pose")
        if pose is None:
            raise ValueError("this teacher wants to know the camera: bind its prompts to views first (`cond.at`)")
        given = rows.tensors["given"].view(-1, 1, 1)
        told = torch.cat([rows.tensors["seen"], pose], -1).to(x)
        token = self.projection(told)[:, None] * given
        latent = rows.tensors["latent"].to(x) * given[..., None]
        return network(torch.cat([x, latent], 1), clock, token).sample


def read_projection(folder: Path, dtype: torch.dtype) -> nn.Linear:
    """ValueError, in one line, where the folder does not hold one linear layer."""
    try:
        (path,) = folder.glob("*.safetensors")
        weights = {name.removeprefix("projection."): value for name, value in load_file(path).items()}
        narrow, wide = weights["weight"].shape
        layer = nn.Linear(wide, narrow)
        layer.load_state_dict(weights)
    except (OSError, LookupError, RuntimeError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder} cannot be loaded: {reason}; it should hold the safetensors of one layer") from error
    return layer.to(dtype).requires_grad_(False)


def blank(network: Any, codec: Codec, count: int) -> Rows:
    """Rows of the right shapes and no content."""
    seen, pose = torch.empty(count, network.config.cross_attention_dim), torch.empty(count, 4)
    given = torch.ones(count, dtype=torch.bool)
    return Rows({"seen": seen, "pose": pose, "latent": torch.empty(count, *codec.shape), "given": given})


def open_teacher(parts: Parts) -> DiffusionTeacher:
    network, vae = parts.part("unet"), tiled(parts.part("vae"), parts)
    codec = latents_of(vae, side_of(parts, network, reduction(vae)))
    fits(network, 2 * codec.shape[0], parts)
    folder = getattr(parts, "folder", None)
    if folder is not None:
        projection = read_projection(folder / "cc_projection", parts.dtype).to(parts.device)
    else:
        projection = parts.part("cc_projection")
    looker = Looker(lambda: parts.part("image_encoder"), codec, radians(parts.loading.elevation_deg))
    process, call = read_process(parts.part("scheduler")), Posed(projection)
    network = ready(network, parts)
    return DiffusionTeacher(parts.family, network, call, process, codec, looker.embed, looker.close, parts.dtype, LAW)
