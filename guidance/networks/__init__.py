"""The networks of our own teachers: text encoders and the camera-conditioned U-Net.

They are plain modules that know nothing of schedules or prediction kinds; `guidance.teachers.embedded` makes a teacher
of them and `distill.recipes.denoiser` trains them. Sizes stand in one frozen dataclass each, which `teacher.json`
stores, so that a folder rebuilds its own network.

How to add one: a module taking (x (b, C, S, S), noise level (b,), text rows, camera rows) and returning (b, C, S, S).
"""
