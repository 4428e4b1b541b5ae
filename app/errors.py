"""What went wrong, sorted: by the user, by the disk, or by the program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distill.files import FULL_DISK


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


def one_line(error: BaseException) -> str:
    """The message of `error` without line breaks; for an OSError the reason and the file, without its number."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def is_full_disk(error: BaseException | None) -> bool:
    """Whether `error`, or what it was raised from, is an OSError about a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return True
        error = error.__cause__
    return False
