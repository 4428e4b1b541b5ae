"""Scenes: cameras, solids, density fields, their pictures, and the meshes made from them.

Conventions. World y up, right-handed, assets in the box [-1, 1]^3 facing +z; angles in radians; pictures NCHW in
[0, 1]; densities per unit length; one head-light at the camera.

Why so. `cameras`, `encoding`, `field`, `occupancy`, `render` and `shading` are short plain torch that runs on any
device and is differentiable: they are the definition. `backends` holds the same functions made fast, and tests hold
the two equal. Everything outside sees a `Scene` (views in, `Picture` out); density and albedo stay inside.

Neither `guidance` nor `distill` is imported here, and importing this package loads no compiled backend.

How to add a scene: a class with `render`. A faster kernel: a file in `backends`, a line in its `__init__`, and a test
against the reference.
"""
