"""What went wrong, sorted: by the user, by the machine, or by the program."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distill.files import FULL_DISK

FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class UserError(ValueError):
    """Something that the person at the keyboard can put right; the message is one line that says how."""


class Defect(Exception):
    """Around an error of the program itself: where its traceback belongs."""

    def __init__(self, log: Path) -> None:
        super().__init__(str(log))
        self.log = log


@contextmanager
def blamed_on_input() -> Iterator[None]:
    """Around code that digests what a user gave: its ValueError or OSError becomes a UserError of one line."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, OSError) as error:
        raise UserError(one_line(error)) from error


@contextmanager
def blamed_on_machine(folder: Path) -> Iterator[None]:
    """Around a run's work in its `folder`: what disk or memory refuse becomes a UserError that says how to go on."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise UserError("out of memory; close other programs, or make a new run that asks for less") from error
        refused = refusal(error)
        if refused is None:
            raise
        raise UserError(f"{refused}, then: scorelift resume {folder}") from error


def one_line(error: BaseException) -> str:
    """The message of `error` without line breaks; for an OSError the reason and the file, without its number."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is Python's, numpy's or torch's way to say that memory does not suffice."""
    torchs = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and torchs)


def refusal(error: BaseException | None) -> str | None:
    """What the file system refused and the remedy, where `error`, or what it was raised from, is such a refusal."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return "disk full; free space"
        if isinstance(error, OSError) and error.errno in FORBIDDEN:
            return f"{one_line(error)}; make it writable"
        error = error.__cause__
    return None
