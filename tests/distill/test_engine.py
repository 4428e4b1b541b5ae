import json
import random
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from distill.checkpoint import CheckpointError, load, save
from distill.engine import Pace, optimize, restore
from distill.events import Failed, Finished, Previewed, Saved, Stepped, Warned, from_line
from distill.recipes.quadratic import Descent, Quadratic

ROOT = Path(__file__).parent.parent.parent
CPU = torch.device("cpu")
RECIPE = Quadratic()


def fresh(**settings) -> Descent:
    return Quadratic(**settings).build(None, CPU)


def run_all(out: Path, recipe: Quadratic = RECIPE, **kwargs) -> tuple[Descent, list]:
    run = recipe.build(None, CPU)
    return run, list(optimize(run, steps=recipe.steps, out=out, **kwargs))


def logged(out: Path) -> list:
    return [from_line(line) for line in (out / "events.jsonl").read_text().splitlines()]


def same(a: Descent, b: Descent) -> bool:
    """Equal to the bit, optimizer and generator included."""
    flat = [torch.cat([t.flatten().double() for t in tensors(r.state_dict())]) for r in (a, b)]
    return torch.equal(*flat)


def tensors(value) -> list:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict | list):
        return [t for v in (value.values() if isinstance(value, dict) else value) for t in tensors(v)]
    return []


def test_events_in_order_and_on_disk(tmp_path):
    pace = Pace(save_seconds=1e9, save_every=8, preview_every=10)
    run, events = run_all(tmp_path, Quadratic(warn_at=4), pace=pace)
    assert [e.step for e in events if isinstance(e, Stepped)] == list(range(1, 21))
    assert [e.step for e in events if isinstance(e, Saved)] == [1, 8, 16, 20]
    assert [e.step for e in events if isinstance(e, Previewed)] == [10, 20]
    at = next(i for i, e in enumerate(events) if isinstance(e, Warned))
    assert events[at - 1].step == events[at].step == 5
    assert events[-1].results == run.export(tmp_path)
    assert not events[-1].stopped
    assert logged(tmp_path) == events


def test_previews_are_pictures(tmp_path):
    run, _ = run_all(tmp_path, pace=Pace(preview_every=20))
    for path in (tmp_path / "previews" / "000020.png", tmp_path / "preview.png"):
        pixels = torch.tensor(list(Image.open(path).tobytes())).reshape(2, 2, 3).permute(2, 0, 1)
        assert torch.equal(pixels, (run.preview().clamp(0, 1) * 255).round().long())


def test_results_do_not_depend_on_the_pace(tmp_path):
    rare, _ = run_all(tmp_path / "rare", pace=Pace(save_seconds=1e9))
    often, _ = run_all(tmp_path / "often", pace=Pace(save_seconds=0, preview_every=1))
    assert same(rare, often)


@pytest.mark.parametrize("at", [0, 1, 7, 19])
def test_stop_and_resume_is_the_same_to_the_bit(tmp_path, at):
    whole, _ = run_all(tmp_path / "whole")
    asked = iter([False] * at)
    _, events = run_all(tmp_path / "cut", stop=lambda: next(asked, True))
    assert events[-2] == Saved(at, "checkpoint.pt")
    assert events[-1].stopped
    assert (events[-1].step, events[-1].results) == (at, {})
    assert not (tmp_path / "cut" / "x.txt").exists()

    run = fresh(seed=99)
    start = restore(run, tmp_path / "cut")
    assert start == at
    resumed = list(optimize(run, steps=20, out=tmp_path / "cut", start=start))
    assert same(run, whole)
    assert [e.step for e in resumed if isinstance(e, Stepped)] == list(range(at + 1, 21))
    assert [e.step for e in logged(tmp_path / "cut") if isinstance(e, Stepped)] == list(range(1, 21))


def test_a_run_without_its_generator_would_be_noticed(tmp_path):
    """The wrong variant: everything restored but the generator."""
    whole, _ = run_all(tmp_path / "whole")
    asked = iter([False] * 7)
    run_all(tmp_path / "cut", stop=lambda: next(asked, True))
    run = fresh()
    generator = run.generator.get_state()
    start = restore(run, tmp_path / "cut")
    run.generator.set_state(generator)
    list(optimize(run, steps=20, out=tmp_path / "cut", start=start))
    assert not same(run, whole)


def test_stop_is_asked_before_every_step(tmp_path):
    asked = []
    run_all(tmp_path, stop=lambda: bool(asked.append(1)))
    assert len(asked) == 20


def test_the_stream_is_lazy(tmp_path):
    run = fresh()
    list(islice(optimize(run, steps=20, out=tmp_path, pace=Pace(save_seconds=1e9)), 2))
    assert [e.step for e in logged(tmp_path)] == [1, 1]


def test_giving_up_is_told_and_keeps_the_checkpoint(tmp_path):
    _, events = run_all(tmp_path, Quadratic(give_up_at=10), pace=Pace(save_every=4))
    assert events[-1] == Failed("the loss is not finite; lower the learning rate")
    assert not any(isinstance(e, Finished) for e in logged(tmp_path))
    assert load(tmp_path / "checkpoint.pt").step == 8


def test_a_defect_is_raised_and_never_reads_as_an_end(tmp_path):
    with pytest.raises(RuntimeError, match="a defect"):
        run_all(tmp_path, Quadratic(break_at=3))
    assert logged(tmp_path)[-1] == Failed("RuntimeError: a defect\nof two lines")


def test_a_log_that_ran_ahead_of_the_checkpoint_is_cut_back(tmp_path):
    asked = iter([False] * 5)
    run_all(tmp_path, stop=lambda: next(asked, True))
    events = tmp_path / "events.jsonl"
    ahead = json.dumps({"event": "Stepped", "step": 6, "total": 20, "scalars": {}, "seconds": 1.0})
    events.write_text(events.read_text() + ahead + "\n" + ahead[:17])
    run = fresh()
    list(optimize(run, steps=20, out=tmp_path, start=restore(run, tmp_path)))
    assert [e.step for e in logged(tmp_path) if isinstance(e, Stepped)] == list(range(1, 21))
    assert sum(isinstance(e, Finished) for e in logged(tmp_path)) == 1


def test_another_recipes_checkpoint_is_one_clear_line(tmp_path):
    run_all(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit its recipe") as caught:
        restore(fresh(size=18), tmp_path)
    assert "\n" not in str(caught.value)
    checkpoint = load(tmp_path / "checkpoint.pt")
    state = dict(checkpoint.state)
    del state["rng"]
    save(tmp_path / "checkpoint.pt", type(checkpoint)(20, state))
    with pytest.raises(CheckpointError, match="misses rng"):
        restore(fresh(), tmp_path)


def test_impossible_starts_are_refused(tmp_path):
    for start in (-1, 21):
        with pytest.raises(ValueError, match=f"cannot start at step {start} of 20"):
            run_all(tmp_path, start=start)


CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from distill import recipes
recipes.__path__.append(sys.argv[2])
from distill.engine import Pace, optimize, restore
from distill.events import Saved
from distill.recipes.quadratic import Quadratic
out = Path(sys.argv[1])
run = Quadratic(steps=400, pause=0.005).build(None, torch.device("cpu"))
start = restore(run, out) if (out / "checkpoint.pt").exists() else 0
for event in optimize(run, steps=400, out=out, start=start, pace=Pace(save_every=2)):
    if isinstance(event, Saved):
        print(event.step, flush=True)
"""


def test_sigkill_and_resume_is_the_same_to_the_bit(tmp_path):
    whole, _ = run_all(tmp_path / "whole", Quadratic(steps=400))
    out, chance = tmp_path / "killed", random.Random(0)
    command = [sys.executable, "-c", CHILD, str(out), str(ROOT / "tests" / "toys")]
    before = 0
    for _ in range(2):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert int(child.stdout.readline()) > before
            time.sleep(chance.uniform(0.0, 0.5))
            child.kill()
        assert child.returncode != 0
        assert before < load(out / "checkpoint.pt").step < 400
        before = load(out / "checkpoint.pt").step
    run = fresh(steps=400)
    list(optimize(run, steps=400, out=out, start=restore(run, out)))
    assert same(run, whole)
    assert [e.step for e in logged(out) if isinstance(e, Stepped)] == list(range(1, 401))
