"""The console script `scorelift`: finds the command, parses its flags, turns what goes wrong into one line."""

import contextlib
import difflib
import importlib
import io
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: idle OpenMP threads must not spin against numba's

from app.errors import Defect, UserError, one_line

COMMANDS = {
    "generate": ("app.commands:Generate", "make a textured 3D asset from a prompt"),
    "resume": ("app.commands:Resume", "go on with a run that was stopped or killed"),
    "export": ("app.commands:Export", "write a run's mesh in another format or size"),
    "train": ("app.train:Train", "train a teacher of your own"),
    "sample": ("app.sample:Sample", "draw pictures of a prompt from a teacher"),
    "samplers": ("app.sample:Samplers", "list the samplers"),
    "evaluate": ("app.evaluate:Evaluate", "score assets against exact shapes, or a teacher"),
    "teachers": ("app.commands:Teachers", "list the teachers"),
    "doctor": ("app.doctor:Doctor", "look at this machine, and test that everything works on it"),
    "words": ("app.commands:Words", "list the words that the embedded teacher knows"),
}


# What tyro says, and what a person should read instead
PLAINER = (
    (r"Error parsing recipe: ", ""),
    (r"Error parsing (\S+): .*invalid literal for int\(\) with base 10: (.*)", r"\1 takes a whole number, got \2"),
    (r"Error parsing (\S+): .*could not convert string to float: (.*)", r"\1 takes a number, got \2"),
    (r"Unrecognized options: ([^-].*)", r"did not expect: \1 (put several words in quotes)"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 gave up or a defect, 2 a mistake of the user."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] in (["-h"], ["--help"], ["help"]):
            print(_help())
            return 0
        if given == ["--version"]:
            print(f"scorelift {metadata.version('scorelift')}")
            return 0
        return _parse(given)()
    except UserError as error:
        print(f"scorelift: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scorelift: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has had enough, as in `scorelift words | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
        return 0
    except Exception as error:
        print(f"scorelift: {_report(error)}", file=sys.stderr)
        return 1


def _help() -> str:
    lines = [f"  {name:10} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        ["usage: scorelift COMMAND ...", "", *lines, "", "`scorelift COMMAND --help` explains a command's flags."]
    )


def _parse(given: list[str]) -> Callable[[], int]:
    """The command that the words ask for, ready to be called. UserError where they make none."""
    if not given:
        raise UserError(f"name a command: {', '.join(COMMANDS)}; `scorelift --help` explains them")
    name, *rest = given
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}"
        raise UserError(f"unknown command {name!r}; {hint}")
    import tyro

    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, args=rest, prog=f"scorelift {name}")
    except SystemExit as end:
        if end.code:
            raise UserError(f"{_condensed(said.getvalue())}; see `scorelift {name} --help`") from None
        return lambda: 0  # help was asked for, and tyro has printed it


def _condensed(box: str) -> str:
    """The message in the box that tyro draws around a mistake, with or without box characters, as one line."""
    kept: list[str] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]:  # after the title
        inside = line.strip().strip("│").strip()
        if re.fullmatch("[─-]+", inside) and kept:
            break
        kept += [inside] if re.search("[^─-]", inside) else []
    line = " ".join(kept)
    for pattern, plainer in PLAINER:
        line = re.sub(pattern, plainer, line)
    return line.rstrip(".")


def _report(error: Exception) -> str:
    """One line about a defect, after its traceback was saved: beside the run it broke, or among temporary files."""
    log = error.log if isinstance(error, Defect) else Path(tempfile.gettempdir()) / "scorelift-error.log"
    cause = error.__cause__ if isinstance(error, Defect) and error.__cause__ else error
    line = f"{type(cause).__name__}: {one_line(cause)}"[:300]
    try:
        log.write_text("".join(traceback.format_exception(cause)), encoding="utf-8")
    except OSError:
        return line
    return f"{line} (traceback in {log})"


if __name__ == "__main__":
    sys.exit(main())
