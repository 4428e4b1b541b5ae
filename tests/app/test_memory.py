import sys

import numpy as np
import pytest

from app import memory

MEGABYTES = 200


def held() -> None:
    np.ones(MEGABYTES * 1_000_000, dtype=np.uint8).sum()


def test_the_peak_is_that_of_the_process_and_can_be_forgotten():
    """On Linux; elsewhere the peak only ever rises, and `forget_peak` says that it cannot."""
    can = memory.forget_peak()
    assert can == (sys.platform == "linux")
    before = memory.peak_mb()
    held()
    high = memory.peak_mb()
    assert before is not None
    assert high is not None
    if can:
        assert high == pytest.approx(before + MEGABYTES, abs=30)
        assert memory.forget_peak()
        low = memory.peak_mb()
        assert low is not None
        assert low == pytest.approx(before, abs=30)
    else:
        assert high >= before


def test_without_linux_files_the_system_call_answers(tmp_path, monkeypatch):
    """Both ways of asking agree: kilobytes, not bytes or pages."""
    held()
    told = memory.peak_mb()
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none" / "none")
    asked = memory.peak_mb()
    assert not memory.forget_peak()
    assert told is not None
    assert asked is not None
    assert asked >= told - 1
    assert MEGABYTES < told < 20_000
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.peak_mb() is None
