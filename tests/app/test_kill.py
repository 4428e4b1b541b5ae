"""SIGKILL at random moments of a real `scorelift` process: the mesh comes out the same to the byte."""

import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from distill.checkpoint import Checkpoint, load, save

ROOT = Path(__file__).parent.parent.parent
STEPS = 240
RANDOM = random.Random(11)
MOMENTS = [RANDOM.randrange(first, first + 32) for first in range(2, 162, 32)]  # a slow machine needs time to kill


def scorelift(*arguments: str) -> subprocess.Popen[bytes]:
    """The command, in a process of its own that `Popen.kill` reaches on every system: no launcher stands between."""
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def generate(folder: Path) -> tuple[str, ...]:
    return ("generate", "a red mushroom", "--quality", "test", "--steps", str(STEPS), "--out", str(folder))


def steps_noted(folder: Path) -> list[str]:
    """The lines of events.jsonl about steps that are done."""
    log = folder / "events.jsonl"
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return re.findall(r'^\{"event": "Stepped".*\}$', text, re.MULTILINE)


def killed(folder: Path, moment: int, *arguments: str) -> int:
    """Run the command, kill it shortly after it noted step `moment`; returns the step that its checkpoint holds."""
    with scorelift(*arguments) as child:
        while len(steps_noted(folder)) < moment:
            assert child.poll() is None, "ended before it could be killed"
            time.sleep(0.003)
        time.sleep(RANDOM.uniform(0, 0.02))
        child.kill()
    assert child.returncode not in (0, None)
    assert {"mesh.glb", "run.json"}.isdisjoint(p.name for p in folder.iterdir())
    saved, done = load(folder / "checkpoint.pt").step, len(steps_noted(folder))
    assert 1 <= saved <= done < STEPS
    assert moment <= done
    return saved


def test_five_kills_later_the_mesh_is_the_same_to_the_byte(tmp_path):
    whole, folder, other = (tmp_path / name for name in ("whole", "killed", "other"))
    with scorelift(*generate(whole)) as undisturbed:
        saved = [killed(folder, MOMENTS[0], *generate(folder))]
        for moment in MOMENTS[1:]:
            before = steps_noted(folder)[: saved[-1]]
            saved.append(killed(folder, moment, "resume", str(folder)))
            assert steps_noted(folder)[: len(before)] == before  # with their seconds: nothing saved was done again
    assert saved == sorted(saved)
    assert len(set(saved)) >= 3
    wrong_generator(folder, other)
    with scorelift("resume", str(folder)) as resumed, scorelift("resume", str(other)) as misled:
        pass
    assert [end.returncode for end in (undisturbed, resumed, misled)] == [0, 0, 0]
    mesh = (whole / "mesh.glb").read_bytes()
    assert (folder / "mesh.glb").read_bytes() == mesh
    assert (other / "mesh.glb").read_bytes() != mesh  # the wrong variant: a resumed run that draws from another seed
    assert len(steps_noted(folder)) == STEPS


def wrong_generator(folder: Path, copy: Path) -> None:
    """Copy a run and exchange nothing but the state of its generator."""
    shutil.copytree(folder, copy)
    at = load(copy / "checkpoint.pt")
    state = {**at.state, "generator": torch.Generator().manual_seed(1).get_state()}
    save(copy / "checkpoint.pt", Checkpoint(at.step, state))
