"""Teachers, one file each: exact ones without weights, the embedded one, and bridges to diffusion checkpoints.

Why so. Everything that knows a library or a file format of a diffusion model is in this folder; outside of it a teacher
is the protocol `guidance.teacher.Teacher`.

How to add one. Write `<name>.py` with a class that satisfies the protocol: `schedule`, `shape`, `cameras`; `embed`
returns your own row type that satisfies `guidance.teacher.Cond` and is cheap to bind to views; `encode` stays
differentiable; the call returns a `Prediction` of whatever kind the network speaks, with alpha and sigma from
`schedule.coefficients(t, x_t)`. Do not apply guidance: `Guided` does. Heavy imports go inside the functions that need
them.
"""
