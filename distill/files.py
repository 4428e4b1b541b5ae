"""Writing files so that a kill or a full disk leaves the old content or the new, never a part.

Imports nothing heavy: the command line uses it before torch is loaded.
"""

import errno
import os
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_synced(path: Path, data: bytes | memoryview) -> None:
    """Write all of `data` and wait until it is on disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file at `path` in one step: a reader sees the old content or the new, never a part."""
    fresh = path.with_name(path.name + ".writing")
    try:
        write_synced(fresh, data)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    os.replace(fresh, path)
