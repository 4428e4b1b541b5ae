"""Captioned scenes with exact geometry: the world of the embedded teacher, and the ground truth of the tests.

`objects` is data (part tables, colors), `truth` turns a caption into exact solids, `captions` phrases and draws them,
`pictures` renders banks of them for training, `oracle` is the teacher that knows the truth.

Conventions: a thing has up to three color slots and perhaps a pattern, a caption one thing or two in a relation; a
fixed tenth of the combinations is held out by hash and never trained on.

How to add an object: append a `CatalogObject` to the file of its theme in `objects/` and run the catalog tests. New
words need a teacher trained on them before `generate` can draw them: `.github/CONTRIBUTING.md` says how.
"""
