"""How much memory this process had at most."""

import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HIGH_WATER = "5"  # what `clear_refs` takes for "forget the peak", since Linux 4.0


def forget_peak() -> bool:
    """Let the peak start anew from what is held now; whether the system can do that. Linux does."""
    try:
        CLEAR.write_text(HIGH_WATER)
    except OSError:
        return False
    return True


def peak_mb() -> float | None:
    """Largest resident memory in MB since `forget_peak` where that worked, otherwise since the process began; None
    where the system does not tell."""
    if STATUS.exists():
        lines = STATUS.read_text(encoding="utf-8").splitlines()
        found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        if found:
            return found[0] * 1024 / 1e6
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
