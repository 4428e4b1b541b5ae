"""What a terminal shows of a run: a bar with the remaining time, warnings as they come."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

from distill.events import Event, Failed, Finished, Saved, Stepped, Warned


def show(events: Iterable[Event], steps: int) -> Failed | Finished:
    """Consume a run's events and return the last one. The bar goes to stderr, and only to a terminal."""
    last: Event | None = None
    with tqdm(total=steps, unit="step", disable=None, dynamic_ncols=True, smoothing=0.1) as bar:
        for last in events:
            match last:
                case Stepped():
                    if not bar.n:  # a resumed run starts in the middle, and its past says nothing about its speed
                        bar.initial = bar.n = last.step - 1
                    bar.update()
                    bar.set_postfix({k: f"{v:.3g}" for k, v in list(last.scalars.items())[:2]}, refresh=False)
                case Warned():
                    done = "done" if last.applied else "try"
                    bar.write(f"step {last.step}: {last.problem}; {done}: {last.remedy}", file=sys.stderr)
                case Saved() if last.step == steps:
                    bar.set_description("exporting")
                case _:
                    pass
    if not isinstance(last, Failed | Finished):
        raise RuntimeError("the run ended without saying how")
    return last
