"""Training and optimization: one engine, one kind of event, many recipes.

Conventions. A recipe is a frozen dataclass that says everything about a run and survives a round trip through JSON;
a run is the only thing that changes. Steps count from 0, and "at step k" means that steps 0 .. k - 1 are done. Every
random draw of a run comes from generators that are in its `state_dict`, so that a resumed run is the same to the bit.

Why so. `engine.optimize` is a generator of events: the command line, the web page, a batch and the tests consume the
same stream, asking it to stop costs one call a step, and nothing here prints or knows a terminal.

How to add a recipe: see `distill.recipes`. An object of the catalog: see `distill.catalog`.
"""
