"""Everything a person touches: the command line, presets, the layout of a run's folder.

Conventions. Angles are in degrees and names end in `_deg` here and only here. What a user did wrong is a `UserError`:
one line on stderr and exit code 2. Strings name methods only here; the code below takes objects.

Why so. Commands are typed dataclasses, so that flags and help come from the fields; heavy imports happen inside the
functions that need them, so that help and `words` answer at once; all work goes through `runs.carry_out`, a stream of
events that the progress bar shows.

How to add a command: a dataclass with `__call__() -> int` in `commands.py`, and its line in `__main__.COMMANDS`.
A quality preset: a function in `presets.py`.
"""
