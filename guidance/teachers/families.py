"""Families of diffusion checkpoints, told apart by the `model_index.json` of their folder.

Needs neither torch nor diffusers, so that a mistake is answered at once and sizes are known before anything is loaded.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

INDEX = "model_index.json"


@dataclass(frozen=True)
class Family:
    """Checkpoints that are read and called in one way.

    module: in `guidance.teachers`, where `open_teacher(parts)` is. pipelines: names of diffusers' classes.
    network: the part that denoises. reads: what a prompt is.
    guidance: the scale to start from, as papers that distill such models have it where there are any.
    weighting: of the SDS that these papers use. rescale: as in `guidance.objectives.sds.SDS`, for "x0".
    pixels: the side to work at where the checkpoint does not say; 0 where it does.
    together: views that it looks at jointly.
    """

    name: str
    module: str
    pipelines: tuple[str, ...]
    network: Literal["unet", "transformer"] = "unet"
    reads: Literal["text", "label", "nothing", "picture"] = "text"
    guidance: float = 100.0
    weighting: Literal["sigma2", "x0"] = "sigma2"
    rescale: float = 0.0
    pixels: int = 0
    together: int = 1


FAMILIES = (
    Family("Stable Diffusion 1 and 2", "stable_diffusion", ("StableDiffusionPipeline",)),
    Family("latent consistency", "stable_diffusion", ("LatentConsistencyModelPipeline",), guidance=1.0),
    Family("Stable Diffusion XL", "sdxl", ("StableDiffusionXLPipeline",)),
    Family("Stable Diffusion 3", "stable_diffusion3", ("StableDiffusion3Pipeline",), "transformer", guidance=50.0),
    Family("Flux", "flux", ("FluxPipeline",), "transformer", guidance=1.0, pixels=512),
    Family("DeepFloyd IF, first stage", "deepfloyd", ("IFPipeline",), guidance=20.0),
    Family(
        "unconditional, in pixels", "unconditional", ("DDPMPipeline", "DDIMPipeline"), reads="nothing", guidance=1.0
    ),
    Family("DiT, by class", "class_conditional", ("DiTPipeline",), "transformer", reads="label", guidance=4.0),
    Family(
        "MVDream, joint views",
        "mvdream",
        ("MVDreamPipeline", "MVDreamStableDiffusionPipeline"),
        guidance=50.0,
        weighting="x0",
        rescale=0.5,
        together=4,
    ),
    Family("Zero123, picture and pose", "zero123", ("Zero1to3StableDiffusionPipeline",), reads="picture", guidance=5.0),
)


def known() -> str:
    """The families and the pipeline classes that mean them, in one line."""
    return "; ".join(f"{family.name} ({', '.join(family.pipelines)})" for family in FAMILIES)


def read_index(folder: Path) -> Mapping[str, Any]:
    """What `model_index.json` says. ValueError, in one line, where it says nothing."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder / INDEX} cannot be read ({type(error).__name__}); copy the checkpoint again"
        ) from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise ValueError(f"{folder / INDEX} names no pipeline class under _class_name; copy the checkpoint again")
    return index


def family_of(pipeline: str, place: str) -> Family:
    """The family of a pipeline class found at `place`. ValueError with the list where it is none of them."""
    for family in FAMILIES:
        if pipeline in family.pipelines:
            return family
    raise ValueError(f"{place} is a {pipeline}, which is not supported; supported: {known()}")


def recognize(folder: Path) -> Family:
    """The family of the checkpoint in `folder`. ValueError, in one line, where it is damaged or of none."""
    return family_of(read_index(folder)["_class_name"], str(folder))


def parameters(folder: Path) -> dict[str, int]:
    """How many numbers the safetensors of each part hold, from their headers alone; parts without any are left out.

    Where a part has its weights in several precisions, one of them counts.
    """
    found: dict[str, int] = {}
    for part in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(part.glob("*.safetensors"))
        plain = [f for f in files if ".fp16." not in f.name and ".non_ema." not in f.name]
        count = sum(map(_numbers, plain or files))
        if count:
            found[part.name] = count
    return found


def _numbers(path: Path) -> int:
    """ValueError where the header is damaged."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}); copy the checkpoint again") from error
    total = 0
    for shape in shapes:
        count = 1
        for side in shape:
            count *= side
        total += count
    return total
