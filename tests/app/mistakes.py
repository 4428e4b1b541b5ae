"""How a mistake on the command line is answered."""

from app.__main__ import main


def mistake(capsys, *arguments: str) -> str:
    """The one line on stderr that `arguments` lead to."""
    capsys.readouterr()
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("scorelift: ")
    assert err.count("\n") == 1
    return err
