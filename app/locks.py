"""One process at a time in a run's folder; the system drops the lock with its process, however that one ended."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.errors import UserError

HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(1 << 30)  # behind the content: what is locked there, nobody else can read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the file at `path` for this process. UserError where another one does; file systems that know no locks are
    taken at their word that nobody else is there."""
    with open(path, "rb+") as file:
        try:
            _lock(file)
        except OSError as error:
            if error.errno in HELD:
                raise UserError(f"another process is at work in {path.parent}; wait for it, or stop it") from error
        yield
