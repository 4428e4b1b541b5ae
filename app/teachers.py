"""Teachers by name, as the command line writes them. Needs no torch, so that a mistake is answered at once."""

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from app.checkpoints import names_one
from app.errors import UserError, one_line
from guidance.teachers.families import INDEX, recognize
from guidance.vocabulary import Vocabulary, load_vocabulary

ORACLE = re.compile(r"oracle(?:-(\d{1,9}))?")
SHARPEST = 512
CARD, VOCABULARY = "teacher.json", "vocabulary.json"
TEACHERS = {
    "embedded": "ships with Scorelift; `scorelift words` lists what it knows",
    "oracle": "knows the catalog's exact geometry, for tests; oracle-16 looks at 16 pixels instead of 64",
    "FOLDER": f"a folder with a {CARD}, as `scorelift train` writes one, or of a diffusers checkpoint",
    "HUB_ID": "OWNER/NAME of a diffusers checkpoint on the hub, fetched once; `scorelift doctor` lists what is here",
}


def usual(quality: str) -> str:
    """Who guides where nobody is named: for the test suite's quality something that needs no weights."""
    return "oracle-16" if quality == "test" else "embedded"


def check(name: str, prompt: str) -> str:
    """The name to keep of a teacher, absolute for a folder, after a look that costs nothing at whether it exists and
    knows the words of `prompt`. UserError or ValueError, in one line, where not."""
    kept, words = find(name)
    if words is not None:
        words.parse(prompt)
    return kept


def find(name: str) -> tuple[str, Vocabulary | None]:
    """The name to keep of a teacher and the words it knows, None for one that reads free text. UserError, in one line,
    where there is none of that name; ValueError where it is a diffusion checkpoint of an unsupported family."""
    if name == "embedded" or oracle_side(name):
        return name, load_vocabulary()
    folder = Path(name).absolute()
    if names_one(name):
        if not folder.exists():
            return name, None
        recognize(folder)
        return str(folder), None
    if not (folder / CARD).is_file():
        inside = folder / "teacher"  # of a run that trained one
        remedy = f"did you mean {inside}?" if (inside / CARD).is_file() else f"give {_known()}"
        raise UserError(f"no teacher {name!r}; {remedy}")
    if not (folder / VOCABULARY).is_file():
        return str(folder), None
    try:
        return str(folder), load_vocabulary(folder / VOCABULARY)
    except (LookupError, TypeError, AttributeError, ValueError, OSError) as error:
        raise UserError(f"{folder / VOCABULARY} is damaged ({one_line(error)}); copy the teacher again") from error


def find_trained(name: str) -> str:
    """The name to keep of a teacher that is to be looked at by itself: as `find` does it, but the folder of a run that
    trained one means that one."""
    folder = Path(name)
    if name == "embedded" or oracle_side(name) or (folder / CARD).is_file():
        return find(name)[0]
    if (folder / "teacher" / CARD).is_file():
        return find(str(folder / "teacher"))[0]
    if (folder / "config.json").is_file():
        raise UserError(f"{folder} is a run without a teacher; one that trains has it when it is finished")
    return find(name)[0]


def card_of(name: str) -> Mapping[str, Any]:
    """What the card says of a teacher that `find` knows; of the oracle, that it takes a camera. UserError, in one line,
    where it cannot be read."""
    if oracle_side(name):
        return {"cameras": True}
    folder = Path(str(resources.files("assets").joinpath("embedded"))) if name == "embedded" else Path(name)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if not isinstance(card, dict):
            raise ValueError("no object")
    except (ValueError, OSError) as error:
        raise UserError(f"{folder / CARD} is damaged ({one_line(error)}); copy the teacher again") from error
    return card


def oracle_side(name: str) -> int | None:
    """The pixels a side that the oracle called `name` looks at; None for another teacher. UserError where too many."""
    found = ORACLE.fullmatch(name)
    if found is None:
        return None
    side = int(found[1] or 64)
    if not 1 <= side <= SHARPEST:
        raise UserError(f"the oracle looks at 1 to {SHARPEST} pixels, got {name!r}; the usual one is oracle-64")
    return side


def _known() -> str:
    return f"{', '.join(list(TEACHERS)[:-2])} or a folder with a {CARD} or a {INDEX}"
