"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A fresh path beside `path`, with the same suffix, that takes its place when the block ends without an error.

    An earlier file at `path` stays untouched until then. Missing folders are made. Raises ValueError, with one line
    for the user, where the system refuses: a full disk, a folder without permission.
    """
    fresh = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield fresh
        with open(fresh, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise ValueError(f"cannot write {path}: {reason}; free some space or choose another folder") from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """`data` as the whole content of `path`, or the old content where that fails. ValueError as in `replacing`."""
    with replacing(path) as fresh:
        fresh.write_bytes(data)
