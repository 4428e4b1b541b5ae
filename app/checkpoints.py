"""Users' own diffusion checkpoints by folder or hub id, as far as the command line goes. Needs no torch."""

from pathlib import Path

from guidance.teachers.families import INDEX, Family, recognize
from guidance.teachers.hub import fetch, is_hub_id
from guidance.teachers.loading import Loading


def names_one(name: str) -> bool:
    """Whether `name` is the folder of a diffusers checkpoint, or reads as a hub id: OWNER/NAME where there is neither
    such a folder nor a folder OWNER here."""
    folder = Path(name)
    if folder.exists():
        return (folder / INDEX).is_file()
    return is_hub_id(name) and not folder.parent.exists()


def folder_of(name: str, loading: Loading) -> Path | None:
    """The folder of the checkpoint called `name`, fetched where it is a hub id; None where `name` is none.

    ValueError, in one line, where it cannot be had.
    """
    if not names_one(name):
        return None
    folder = Path(name)
    if folder.exists():
        return folder
    half = loading.dtype in ("float16", "bfloat16")
    return fetch(name, offline=loading.offline, half=half, pickles=loading.allow_pickle)


def family_of(name: str, loading: Loading) -> Family | None:
    """The family of the checkpoint called `name`; None where `name` is none. ValueError as `folder_of`."""
    folder = folder_of(name, loading)
    return None if folder is None else recognize(folder)
