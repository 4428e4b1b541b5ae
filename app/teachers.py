"""Teachers by name, as the command line writes them. Needs no torch, so that a mistake is answered at once."""

import re
from pathlib import Path

from app.errors import UserError
from guidance.vocabulary import load_vocabulary

ORACLE = re.compile(r"oracle(?:-(\d+))?")
CARD, VOCABULARY = "teacher.json", "vocabulary.json"
TEACHERS = {
    "embedded": "ships with Scorelift; `scorelift words` lists what it knows",
    "oracle": "knows the catalog's exact geometry, for tests; oracle-16 looks at 16 pixels instead of 64",
    "FOLDER": f"a folder with a {CARD}, as `scorelift train` writes one",
}


def check(name: str, prompt: str) -> str:
    """The name to keep of a teacher, absolute for a folder, after a look that costs nothing at whether it exists and
    knows the words of `prompt`. UserError or ValueError, in one line, where not."""
    if name == "embedded" or ORACLE.fullmatch(name):
        load_vocabulary().parse(prompt)
        return name
    folder = Path(name).absolute()
    if not (folder / CARD).is_file():
        raise UserError(f"no teacher {name!r}: give {', '.join(list(TEACHERS)[:-1])} or a folder with a {CARD}")
    if (folder / VOCABULARY).is_file():
        load_vocabulary(folder / VOCABULARY).parse(prompt)
    return str(folder)
