"""Files of prompts: one a line; blank lines count for nothing, nor does what follows a #."""

from pathlib import Path

from app.errors import UserError, one_line
from app.teachers import find
from guidance.vocabulary import load_vocabulary


def read_prompts(path: Path, teacher: str) -> tuple[list[str], str]:
    """The prompts of a file in order, all understood by `teacher` and by the catalog, and the teacher's name to keep.

    UserError, in one line with the number of the line at fault, where one is not, where a prompt comes twice, or where
    the file cannot be read or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read the prompts: {one_line(error)}") from error
    name, words = find(teacher)
    said: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        prompt = " ".join(line.partition("#")[0].split())
        if not prompt:
            continue
        if prompt in said:
            raise UserError(f"{path} line {number} repeats line {said[prompt]}: {prompt!r}; drop one")
        said[prompt] = number
        try:
            for known in (words, load_vocabulary()):  # the truth is the catalog's, whatever the teacher calls things
                if known is not None:
                    known.parse(prompt)
        except ValueError as error:
            raise UserError(f"{path} line {number}: {one_line(error)}") from error
    if not said:
        raise UserError(f'{path} holds no prompt; write one a line, for example "a red mushroom"')
    return list(said), name
