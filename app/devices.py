"""Where to compute."""

import torch

from app.errors import UserError
from guidance.teachers.loading import Loading


def device_of(loading: Loading) -> torch.device:
    """The device that the settings ask for. UserError where this machine does not have it."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if loading.device == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there[loading.device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise UserError(f"no device {loading.device!r} here; found: {found}")
    return torch.device(loading.device)
