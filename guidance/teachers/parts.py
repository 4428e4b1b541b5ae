"""Where the parts of a checkpoint come from: a folder on disk, or a pipeline that is in memory already."""

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from guidance.teachers.families import Family, family_of, read_index, recognize
from guidance.teachers.loading import Loading, cache_folder
from guidance.teachers.prompt_book import Encode, PromptBook
from guidance.teachers.rows import Bind

WORDS = ("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2", "tokenizer_3", "text_encoder_3")
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
BITS: dict[str, dict[str, Any]] = {"8bit": {"load_in_8bit": True}, "4bit": {"load_in_4bit": True}}


class Parts(Protocol):
    """A checkpoint in parts. device, dtype: where and in what precision its networks run."""

    @property
    def family(self) -> Family: ...
    @property
    def index(self) -> Mapping[str, Any]:
        """What `model_index.json` says, or would say."""
        ...

    @property
    def loading(self) -> Loading: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def dtype(self) -> torch.dtype: ...
    def part(self, name: str, /) -> Any:
        """The part of that name, ready to use and without gradients; None where the checkpoint lacks it."""
        ...

    def book(self, encode: Encode, pipeline: str, /, *, bind: Bind | None = None) -> PromptBook:
        """A prompt book whose encoder is the library's `pipeline`, with its text parts alone."""
        ...


@dataclass(frozen=True, eq=False)
class FolderParts:
    """A folder as `save_pretrained` writes it. Nothing is looked for on the net, and nothing in it is run."""

    folder: Path
    loading: Loading
    device: torch.device
    dtype: torch.dtype

    @property
    def family(self) -> Family:
        return recognize(self.folder)

    @property
    def index(self) -> Mapping[str, Any]:
        return read_index(self.folder)

    def part(self, name: str) -> Any:
        library, kind = self.index.get(name) or (None, None)
        if kind is None:
            return None
        if library not in ("diffusers", "transformers"):
            raise ValueError(f"{self.folder / name} is a {kind} of {library}, which this version does not know")
        cls = getattr(importlib.import_module(library), kind, None)
        if cls is None:
            raise ValueError(f"the {library} installed here has no {kind}; update it: pip install -U {library}")
        options: dict[str, Any] = {}
        if issubclass(cls, nn.Module):
            options = {"torch_dtype" if library == "diffusers" else "dtype": self.dtype, **self._weights(name)}
            if name in WORDS:
                options |= self._quantized()
        return self._opened(name, lambda: _frozen(_load(cls, self.folder, name, options), self.device))

    def book(self, encode: Encode, pipeline: str, *, bind: Bind | None = None) -> PromptBook:
        def open_encoder() -> Any:
            return self._opened("text_encoder", lambda: words_pipeline(pipeline, self))

        key = f"{pipeline} {self.dtype} {self.loading.text_encoder} {encode.__module__} {self._fingerprint()}"
        folder = cache_folder() / "prompts"
        return PromptBook(open_encoder, encode, device=self.device, key=key, folder=folder, bind=bind)

    def _opened(self, name: str, load: Callable[[], Any]) -> Any:
        """What `load` gives. ValueError, in one line, where files are missing, damaged or do not fit their config."""
        try:
            with quiet():
                return load()
        except ValueError as error:
            if str(error).startswith(str(self.folder)):
                raise
            raise ValueError(f"{self.folder / name} cannot be loaded: {_first_line(error)}") from error
        except (OSError, RuntimeError, LookupError, TypeError, AttributeError, ImportError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise ValueError(f"{self.folder / name} cannot be loaded: {_first_line(error)}") from error

    def _weights(self, name: str) -> dict[str, Any]:
        """Which of the weights in a part's folder to take: safetensors, of 16 bits where there are no others."""
        files = [p.name for p in (self.folder / name).glob("*")] if (self.folder / name).is_dir() else []
        safe = [f for f in files if f.endswith(".safetensors")]
        if not safe:
            pickles = [f for f in files if f.endswith(PICKLES)]
            if not pickles:
                raise ValueError(f"{self.folder / name} holds no weights; copy the checkpoint again")
            if not self.loading.allow_pickle:
                raise ValueError(
                    f"{self.folder / name} holds its weights only as {pickles[0]}, a pickle, which can run code; "
                    "convert it to safetensors, or pass --allow-pickle if you trust who made it"
                )
            safe = pickles
        options: dict[str, Any] = {"use_safetensors": safe[0].endswith(".safetensors")}
        if all(".fp16." in f for f in safe):
            options["variant"] = "fp16"
        return options

    def _quantized(self) -> dict[str, Any]:
        bits = BITS.get(self.loading.text_encoder)
        if bits is None:
            return {}
        if self.device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
            raise ValueError(
                f"{self.folder}: --text-encoder {self.loading.text_encoder} needs a CUDA GPU and bitsandbytes; "
                "pip install bitsandbytes, or leave it out"
            )
        from transformers import BitsAndBytesConfig

        return {"quantization_config": BitsAndBytesConfig(**bits), "device_map": {"": self.device}}

    def _fingerprint(self) -> str:
        """Of the files of the text parts: where they are, how large, how old; their content would take long to read."""
        digest = hashlib.sha256()
        for path in sorted(p for name in WORDS for p in (self.folder / name).glob("*")):
            real = path.resolve()
            digest.update(f"{real} {real.stat().st_size} {real.stat().st_mtime_ns}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class PipelineParts:
    """One of the library's pipelines in memory; its networks stay its own, in their place and precision."""

    pipeline: Any
    loading: Loading = field(default_factory=Loading)

    @property
    def family(self) -> Family:
        return family_of(self.index["_class_name"], "this pipeline")

    @property
    def index(self) -> Mapping[str, Any]:
        said = {**self.pipeline.config, "_class_name": type(self.pipeline).__name__}
        names = getattr(self.pipeline, "labels", None)  # of classes: in a folder the index has them, by number
        return said if names is None else {**said, "id2label": _by_number(names)}

    @property
    def device(self) -> torch.device:
        return self.part(self.family.network).device

    @property
    def dtype(self) -> torch.dtype:
        return self.part(self.family.network).dtype

    def part(self, name: str) -> Any:
        return getattr(self.pipeline, name, None)

    def book(self, encode: Encode, pipeline: str, *, bind: Bind | None = None) -> PromptBook:
        return PromptBook(lambda: self.pipeline, encode, device=self.device, bind=bind)


def _by_number(names: Mapping[str, int]) -> dict[str, str]:
    rows: dict[str, list[str]] = {}
    for name, number in names.items():
        rows.setdefault(str(number), []).append(name)
    return {number: ", ".join(row) for number, row in rows.items()}


def words_pipeline(name: str, parts: Parts) -> Any:
    """The library's pipeline `name` with nothing but what reads text; its `encode_prompt` is the checkpoint's own."""
    import diffusers

    cls = getattr(diffusers, name)
    settings = inspect.signature(cls.__init__).parameters
    given = {n: parts.part(n) if n in WORDS else None for n in settings if n in WORDS or n in _modules(cls)}
    said = {n: v for n, v in parts.index.items() if n in settings and n not in given and not isinstance(v, list)}
    if "requires_safety_checker" in settings:
        said["requires_safety_checker"] = False
    if "add_watermarker" in settings:
        said["add_watermarker"] = False
    return cls(**given, **said)


def _modules(cls: Any) -> Sequence[str]:
    return cls._get_signature_keys(cls)[0]


def _load(cls: Any, folder: Path, name: str, options: Mapping[str, Any]) -> Any:
    return cls.from_pretrained(str(folder), subfolder=name, local_files_only=True, **options)


def _frozen(part: Any, device: torch.device) -> Any:
    if isinstance(part, nn.Module):
        part.requires_grad_(False).eval()
        if not getattr(part, "is_quantized", False):
            part.to(device)
    return part


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """The libraries' progress bars and advice kept from a user's terminal; errors are raised all the same."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    levels = diffusers_log.get_verbosity(), transformers_log.get_verbosity()
    for log in (diffusers_log, transformers_log):
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        diffusers_log.set_verbosity(levels[0])
        transformers_log.set_verbosity(levels[1])
        for log in (diffusers_log, transformers_log):
            log.enable_progress_bar()


def zeros_where(rows: Tensor, chosen: Sequence[bool]) -> Tensor:
    """`rows` (n, ...) with the chosen ones set to zero."""
    keep = torch.tensor([not c for c in chosen], device=rows.device).view(-1, *[1] * (rows.ndim - 1))
    return rows * keep
