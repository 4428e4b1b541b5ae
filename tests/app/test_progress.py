import io
import sys

import pytest

from app.progress import show
from distill.events import Failed, Finished, Saved, Stepped, Warned


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events(first: int = 1, last: int = 10):
    for step in range(first, last + 1):
        yield Stepped(step, 10, {"loss": 0.5, "opacity": 0.25}, 0.1)
    yield Warned(last, "the picture is empty", "density raised", True)
    yield Saved(last, "checkpoint.pt")
    yield Finished(last, 10, {}, 0.0)


def test_a_terminal_sees_the_bar_and_the_warnings(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert show(events(), 10) == Finished(10, 10, {}, 0.0)
    shown = sys.stderr.getvalue()
    assert "10/10" in shown
    assert "step 10: the picture is empty; done: density raised" in shown
    assert "exporting" in shown


def test_a_resumed_run_starts_in_the_middle(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    show(events(first=8), 10)
    assert "10/10" in sys.stderr.getvalue()
    assert "11/10" not in sys.stderr.getvalue()


def test_a_file_sees_only_the_warnings(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    show(events(), 10)
    assert sys.stderr.getvalue() == "step 10: the picture is empty; done: density raised\n"


def test_the_end_is_what_the_run_said():
    assert show(iter([Failed("no")]), 10) == Failed("no")
    with pytest.raises(RuntimeError, match="without saying how"):
        show(iter([Saved(1, "x")]), 10)
