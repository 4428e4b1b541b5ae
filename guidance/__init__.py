"""Teachers, guidance, and the directions in which a teacher pushes a picture.

Conventions. Pictures are [0, 1] NCHW; `Teacher.encode` maps them to what the network sees. t = 0 clean, t = 1 noise.
Angles are radians. Every random draw takes a `torch.Generator`. Dims: b batch (samples), V views.

Why so. A teacher, whatever its library, is one small protocol; guidance is written once (`teacher.Guided`), so the sign
and the meaning of a scale cannot differ between methods; an objective returns a direction, not a loss, so what it does
to the gradient can be tested in closed form, and no teacher is ever differentiated by accident.

This package never imports `nerf` or `distill`.

How to add an objective: see `guidance.objectives`. A teacher: see `guidance.teachers`.
"""
