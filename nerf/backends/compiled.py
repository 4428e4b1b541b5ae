"""How CPU kernels are compiled and run: numba without the global interpreter lock, on plain threads of our own.

Not numba's `prange`: its simplest threading layer aborts the process when two threads call it at once, and its OpenMP
layer spins against torch's. A kernel here takes (share, shares, ...) and works on the pieces share, share + shares,
...; what it computes for a piece may not depend on the share, so that results do not depend on the number of threads.

Compiled code is cached in a folder named after the content of these sources, because numba notices a change in the
file of a kernel but not in the files it calls into. NUMBA_CACHE_DIR, where set, is left alone.
"""

import hashlib
import itertools
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.extending import intrinsic

CONFIG: Any = config  # sets its own names when imported
INTRINSIC: Any = intrinsic  # what it makes is called without the first argument
SHARES_PER_THREAD = 4  # more shares than threads, for when another process slows one of them down


def _cache_folder() -> Path:
    """A writable folder for compiled code; the temporary folder where the user's own cache is read-only."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    local = {"win32": os.environ.get("LOCALAPPDATA"), "darwin": "~/Library/Caches"}.get(sys.platform)
    home = Path(os.environ.get("XDG_CACHE_HOME") or local or "~/.cache").expanduser()
    for parent in (home, Path(tempfile.gettempdir())):
        folder = parent / "scorelift" / f"kernels-{digest.hexdigest()[:12]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    return Path(tempfile.mkdtemp())


if not os.environ.get("NUMBA_CACHE_DIR"):
    CONFIG.CACHE_DIR = str(_cache_folder())

EXACT = numba.njit(nogil=True, cache=True, error_model="numpy")  # rounds as torch does
FUSED = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
# A part of a FUSED kernel. A kernel that calls others counts references to its arrays on every call, atomically; one
# whose parts are inlined does not, which matters where a call is a block of 128 points.
PART = numba.njit(error_model="numpy", fastmath={"contract", "nsz"}, inline="always")
# Sums in any order; its own parts are inlined too, because a call may reach another compiled copy, that sums in another
# order, in the process that compiles than in those that load from the cache.
SUMMED = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
SUMMED_PART = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"}, inline="always")


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CONFIG.NUMBA_NUM_THREADS, thread_name_prefix=f"kernels-{process}")


def run(kernel: Callable[..., Any], pieces: int, *arguments: Any) -> None:
    """Call kernel(share, shares, *arguments) for all shares of `pieces` pieces, on NUMBA_NUM_THREADS threads."""
    threads = CONFIG.NUMBA_NUM_THREADS
    shares = min(pieces, threads * SHARES_PER_THREAD)
    ticket = itertools.count()

    def work() -> None:
        while (share := next(ticket)) < shares:
            kernel(share, shares, *arguments)

    helpers = [_pool(os.getpid()).submit(work) for _ in range(min(threads, shares) - 1)]
    work()
    for helper in helpers:
        helper.result()
