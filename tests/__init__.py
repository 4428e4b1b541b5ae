"""Tests mirror the tree: `nerf/field.py` is tested in `tests/nerf/test_field.py`. Timing scripts live in `bench/`."""
