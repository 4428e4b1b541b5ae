import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.runs import Job, claim
from app.stopping import stop_on_signals
from distill.checkpoint import load
from distill.recipes.quadratic import Quadratic

ROOT = Path(__file__).parent.parent.parent

CHILD = """
import sys
from distill import recipes
recipes.__path__.append(sys.argv[2])
from app.__main__ import main
from app import runs
carry_out = runs.carry_out
def told(*args):
    for event in carry_out(*args):
        print("event", flush=True)
        yield event
runs.carry_out = told
sys.exit(main(["resume", sys.argv[1]]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_after_the_step_and_resume_gives_the_same_result(tmp_path, name):
    folder = claim(Job(Quadratic(steps=300, pause=0.01), None), str(tmp_path / "run"), "unused")
    command = [sys.executable, "-c", CHILD, str(folder), str(ROOT / "tests" / "toys")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.stdout.readline() != "event\n":
            assert child.poll() is None
        child.send_signal(getattr(signal, name))
        err = child.communicate()[1]
    assert child.returncode == 128 + getattr(signal, name)
    step = load(folder / "checkpoint.pt").step
    assert 0 < step < 300
    assert err.endswith(f"stopped at step {step} of 300; go on with: scorelift resume {folder}\n")
    assert "Traceback" not in err
    assert not (folder / "x.txt").exists()


def test_the_second_signal_interrupts_and_handlers_come_back(capsys):
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as stop:
        assert (stop(), stop.exit_code) == (False, 0)
        signal.raise_signal(signal.SIGINT)
        assert (stop(), stop.exit_code) == (True, 130)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping after this step" in capsys.readouterr().err
