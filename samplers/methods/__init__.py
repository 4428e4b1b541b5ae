"""Samplers, one file each; the file name is the sampler's name on the command line.

How to add one. Write `<name>.py` with one public frozen dataclass that satisfies `samplers.types.Sampler`: its fields
are the hyperparameters, its docstring names the paper, arXiv id and equation, `variants()` lists the settings worth
testing, and its call is the loop

    for s, t in pairwise(nodes(schedule, grid)):
        x0 = denoise(x, s.clock).x0
        x = ...
        yield Step(s.t, t.t, x, x0)

Drop to order 1 where `lam` is infinite at a node. Shared math is not repeated here: steps with a constant or polynomial
reading of the network stand in `samplers.adams`, what the DPM-Solver family shares in `samplers.dpm`. `published=True`
reproduces a formula as published where the right one differs. The contract tests and the command line find the file by
itself; add a test of your own for what only this method promises.
"""
