import os

import pytest

from nerf.atomic import replacing, write


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "deep" / "a.bin"
    write(path, b"one")
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.bin"]


def test_the_fresh_file_is_beside_the_old_and_has_its_suffix(tmp_path):
    with replacing(tmp_path / "a.mp4") as fresh:
        assert (fresh.parent, fresh.suffix) == (tmp_path, ".mp4")
        assert fresh.name != "a.mp4"
        fresh.write_bytes(b"film")
        assert not (tmp_path / "a.mp4").exists()
    assert (tmp_path / "a.mp4").read_bytes() == b"film"


def test_other_errors_pass_and_leave_nothing(tmp_path):
    write(tmp_path / "a", b"earlier")

    def interrupted():
        with replacing(tmp_path / "a") as fresh:
            fresh.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a").read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a"]


def test_refusals_are_one_line(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"cannot write .*folder: .*; free some space or choose another folder"):
        write(tmp_path / "folder", b"")
    with pytest.raises(ValueError, match="cannot write"):
        write(tmp_path / ("x" * 300), b"")
