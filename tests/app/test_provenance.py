import re

import pytest

from app import provenance


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for name in ("nerf/a.py", "app/b/c.py", "tests/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def test_the_digest_is_of_the_programs_code_alone(tree):
    before = provenance.code_digest()
    (tree / "tests" / "d.py").write_text("x = 2\n")
    (tree / "nerf" / "data.json").write_text("{}")
    assert provenance.code_digest() == before
    (tree / "nerf" / "a.py").write_text("x = 2\n")
    assert provenance.code_digest() != before
    (tree / "nerf" / "a.py").write_text("x = 1\n")
    assert provenance.code_digest() == before
    (tree / "nerf" / "a.py").rename(tree / "nerf" / "e.py")
    assert provenance.code_digest() != before


def test_outside_a_checkout_there_is_no_commit(tree):
    assert provenance.commit() is None
    (tree / ".git").write_text("broken")
    assert provenance.commit() is None


def test_versions_and_commit():
    known = provenance.versions()
    assert set(known) == {"python", "scorelift", "torch", "numpy", "numba"}
    found = provenance.commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{12}\+?", found)


def test_the_digest_of_a_folder_sees_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "inside").mkdir()
    before = provenance.folder_digest(tmp_path)
    (tmp_path / "inside" / "b").write_text("1")
    assert provenance.folder_digest(tmp_path) == before
    (tmp_path / "a").write_text("2")
    assert provenance.folder_digest(tmp_path) != before
    (tmp_path / "a").write_text("1")
    (tmp_path / "a").rename(tmp_path / "b")
    assert provenance.folder_digest(tmp_path) != before
