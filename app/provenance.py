"""Which program made a result: its commit, a digest of its code, and the versions of what it stands on."""

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "distill", "guidance", "nerf", "samplers")
VERSIONS = ("scorelift", "torch", "numpy", "numba")


def versions(packages: Sequence[str] = VERSIONS) -> dict[str, str | None]:
    """Of Python and the packages that numbers depend on; None for one that was never installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def commit() -> str | None:
    """The commit of the checkout, with a plus sign where tracked files differ from it; None outside a checkout."""
    if not (ROOT / ".git").exists():
        return None
    head = _git("rev-parse", "--short=12", "HEAD")
    return head and head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def code_digest() -> str:
    """Of every source file of the program, installed or not: equal digests are equal programs."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def folder_digest(folder: Path) -> str:
    """Of the names and contents of the files that lie in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return None
