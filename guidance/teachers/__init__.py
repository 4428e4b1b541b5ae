"""Teachers: exact ones without weights, the embedded one, and users' diffusion checkpoints, one file a family.

Why so. Everything that knows a library or a file format of a diffusion model is in this folder; outside of it a teacher
is the protocol `guidance.teacher.Teacher`.

How to add one. Write `<name>.py` with a class that satisfies the protocol: `schedule`, `shape`, `cameras`; `embed`
returns your own row type that satisfies `guidance.teacher.Cond` and is cheap to bind to views; `encode` stays
differentiable; the call returns a `Prediction` of whatever kind the network speaks, with alpha and sigma from
`schedule.coefficients(t, x_t)`. Do not apply guidance: `Guided` does. Heavy imports go inside the functions that need
them.

How a diffusion checkpoint is opened. `families` recognizes the folder by its `model_index.json`, `hub` finds it by id,
`parts` loads one part after the other (`meta` the same without weights, for estimates), and the file of the family puts
them together into a `diffusion.DiffusionTeacher`: the `process` of its scheduler, the `codecs` of its VAE, a
`prompt_book` of embedded prompts, and a function that calls its network. Whatever a checkpoint can say of itself
(scales, kind of prediction, schedule, inputs for guidance) is read from its configs and nowhere assumed.

How to add a family. An entry in `families.FAMILIES`; a module with `open_teacher(parts)`, `blank(network, codec,
count)` and a frozen evaluation (network, x, clock, rows); a tiny pipeline in `tests/checkpoints.py` and its name in
`tests/guidance/teachers/opened.py`, which makes the tests of gradients, costs and the command line run on it; and a
picture compared with the library's own pipeline in `test_pipelines.py`.
"""
