import errno
import os
from functools import partial
from itertools import count

import pytest
import torch

from distill.checkpoint import Checkpoint, CheckpointError, load, previous, require_keys, save


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code may catch it."""


def state(value: float) -> dict:
    return {
        "x": torch.full((1000,), value),
        "nested": {"list": [1, 2.5, None, "a"], "rng": torch.Generator().get_state()},
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


def test_round_trip_is_exact(path):
    save(path, Checkpoint(7, state(0.1)))
    back = load(path)
    assert back.step == 7
    assert torch.equal(back.state["x"], state(0.1)["x"])
    assert back.state["nested"]["list"] == [1, 2.5, None, "a"]


def test_the_one_before_is_kept(path):
    for step in (1, 2, 3):
        save(path, Checkpoint(step, state(step)))
    assert (load(path).step, load(previous(path)).step) == (3, 2)
    assert sorted(p.name for p in path.parent.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


def kill_at(victim: int, monkeypatch, path) -> bool:
    """Save step 99 and die at the `victim`-th moment before or after a flush or a rename; False where none is left."""
    moments = count()

    def deadly(call, *args):
        if next(moments) == victim:
            raise Killed
        call(*args)
        if next(moments) == victim:
            raise Killed

    with monkeypatch.context() as patch:
        for name in ("replace", "fsync"):
            patch.setattr(os, name, partial(deadly, getattr(os, name)))
        try:
            save(path, Checkpoint(99, state(99)))
        except Killed:
            return True
    return False


@pytest.mark.parametrize("kept", [1, 2])
def test_a_kill_at_any_moment_leaves_a_loadable_one(tmp_path, monkeypatch, kept):
    survivors = []
    for victim in count():
        path = tmp_path / str(victim) / "checkpoint.pt"
        path.parent.mkdir()
        for step in range(1, kept + 1):
            save(path, Checkpoint(step, state(step)))
        killed = kill_at(victim, monkeypatch, path)
        survivor = load(path)
        assert torch.equal(survivor.state["x"], state(survivor.step)["x"])
        survivors.append(survivor.step)
        save(path, Checkpoint(100, state(100)))
        assert load(path).step == 100
        if not killed:
            break
    # Before and after: the flush, the old one's rename, the new one's rename; then the save that nothing disturbed.
    assert survivors == [kept] * 5 + [99, 99]


def test_a_flipped_bit_is_noticed_where_torch_is_silent(path):
    save(path, Checkpoint(1, state(1)))
    raw = path.read_bytes()
    at = raw.index(state(1)["x"].numpy().tobytes()) + 402
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    assert not torch.equal(torch.load(path, weights_only=True)["state"]["x"], state(1)["x"])
    with pytest.raises(CheckpointError, match="is damaged; start the run anew"):
        load(path)


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"\0" * len(b)])
def test_a_damaged_file_is_one_clear_line_and_names_the_way_back(path, damage):
    for step in (1, 2):
        save(path, Checkpoint(step, state(step)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"delete it to resume from checkpoint\.previous\.pt") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    path.unlink()
    assert load(path).step == 1


def test_foreign_files_are_refused(path):
    torch.save({"state": 1}, path)
    with pytest.raises(CheckpointError, match="is not a checkpoint of Scorelift"):
        load(path)
    torch.save({"schema": 0, "step": 1, "state": {}}, path)
    with pytest.raises(CheckpointError, match="has schema 0"):
        load(path)
    for step, content in (("1", {}), (True, {}), (-1, {}), (1, [])):
        torch.save({"schema": 1, "step": step, "state": content}, path)
        with pytest.raises(CheckpointError, match="is damaged"):
            load(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load(path)


def test_code_in_a_checkpoint_is_never_run(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "pwned"),))

    torch.save({"schema": 1, "step": 1, "state": {"x": Evil()}}, path)
    with pytest.raises(CheckpointError):
        load(path)
    assert not (tmp_path / "pwned").exists()


def test_a_full_disk_keeps_the_last_one(path, monkeypatch):
    save(path, Checkpoint(1, state(1)))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"disk full.*is intact; free space and resume"):
        save(path, Checkpoint(2, state(2)))
    assert load(path).step == 1
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


def test_missing_and_unknown_entries_are_named():
    require_keys({"a": 1, "b": 2}, {"a", "b"}, "x")
    with pytest.raises(CheckpointError, match="misses b and has unknown c"):
        require_keys({"a": 1, "c": 2}, {"a", "b"}, "x")
