"""Recipes, one file each: what can be optimized or trained, from its settings to its results.

How to add one. Write `<name>.py` with one public frozen dataclass that satisfies `distill.engine.Recipe`: its fields
are the settings (numbers, strings, tuples, other frozen dataclasses), `__post_init__` refuses bad ones in one line,
and `build` returns a `distill.engine.Run`. Put every generator into the run's `state_dict`: the engine's tests show
how a resumed run is compared to the bit. `scorelift resume` and `scorelift export` find the class by the run's
`config.json`; nothing is registered anywhere.
"""
