"""Text to 3D against ground truth: `python -m tests.bench.assets oracle` and `... embedded`.

`oracle` makes every object of the catalog with the teacher that knows the truth: what is missing is the pipeline's.
`embedded` makes 30 prompts of held-out combinations with the teacher that ships. The work is `scorelift evaluate`'s.
Writes results/assets_TEACHER.json, .md, .png and _portraits.png.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from app import score_file
from app.asset_scores import draw_sheet
from app.evaluation import Evaluation
from app.score_file import ScoreRow
from app.scoring import carry_out
from distill.catalog.captions import VOCABULARY, draw, phrase
from distill.catalog.objects import OBJECTS
from distill.catalog.objects.plain import PLAIN
from distill.evaluation import means, true_pictures
from guidance.english import with_article
from guidance.vocabulary import Caption
from nerf import pictures
from nerf.cameras import orbit
from nerf.mesh_load import load
from nerf.mesh_render import render
from nerf.mesh_textured import TexturedMesh
from tests.bench.record import RESULTS, Value, record

SOLIDS = {o.name for o in PLAIN}
QUOTAS = {"solid": 3, "pair": 5, "decorated": 10, "simple": 12}  # of the held-out prompts, by `sort_of`
PORTRAIT = orbit(12, elevation=0.35, distance=3.2, fov=0.698)[1:2]


def held_out_prompts(seed: int = 2026) -> list[str]:
    """Combinations never trained on, as training draws them: the first that fill QUOTAS, no thing twice."""
    generator, left = torch.Generator().manual_seed(seed), dict(QUOTAS)
    found: dict[str, list[str]] = {sort: [] for sort in QUOTAS}
    shown = set[str]()
    while any(left.values()):
        caption = draw(generator, held_out=True)
        sort, kinds = sort_of(caption), [t.kind for t in caption.things]
        if left[sort] and shown.isdisjoint(kinds):
            left[sort] -= 1
            shown.update(kinds)
            found[sort].append(phrase(caption))
    return [prompt for prompts in found.values() for prompt in prompts]


def sort_of(caption: Caption) -> str:
    """A pair, a plain solid, a thing with a pattern or a part of a color of its own, or one without."""
    if caption.relation:
        return "pair"
    (thing,) = caption.things
    if thing.kind in SOLIDS:
        return "solid"
    usual = VOCABULARY.thing(thing.kind, thing.colors[0], {})
    return "simple" if (thing.colors, thing.pattern) == (usual.colors, usual.pattern) else "decorated"


def portraits(prompts: list[str], meshes: list[TexturedMesh], across: int = 4) -> torch.Tensor:
    """A compact sheet: every asset and its truth, once each, from the front right."""
    cells, captions = [], []
    for prompt, mesh in zip(prompts, meshes, strict=True):
        cells += [
            render(mesh, PORTRAIT, 160, supersample=3).rgb[0],
            true_pictures(VOCABULARY.parse(prompt), PORTRAIT, 480)[0],
        ]
        captions += [prompt, "ground truth"]
    rows = [
        pictures.Row("", cells[k : k + 2 * across], captions[k : k + 2 * across])
        for k in range(0, len(cells), 2 * across)
    ]
    return pictures.contact_sheet(rows, cell=160)


def measure(evaluation: Evaluation, folder: Path) -> list[ScoreRow]:
    """The rows of `scorelift evaluate`, whose files go into `folder`."""
    rows = []
    for row in carry_out(evaluation, folder / "scores.json", folder / "meshes"):
        rows.append(row)
        print(row, flush=True)
    return rows


def made_before(folder: Path) -> list[ScoreRow]:
    """The rows that an earlier, broken-off bench left in `folder`."""
    found = score_file.read(folder / "scores.json")
    if found is None or not found[1]:
        raise SystemExit(f"{folder} holds no scores; run the bench without --made first")
    return found[1]


def facts_of(rows: list[ScoreRow], quality: str) -> dict[str, Value]:
    found = means([row.result for row in rows])
    facts: dict[str, Value] = {f"mean_{name}": of.mean for name, of in found.items()}
    for name in ("iou", "fscore"):
        facts |= {f"{name}_low": found[name].low, f"{name}_high": found[name].high}
    facts["min_iou"] = min(row.result.score.iou if row.result.score else 0.0 for row in rows)
    facts |= {"n": len(rows), "failed": sum(row.result.score is None for row in rows), "quality": quality}
    return facts | {"peak_mb": max(row.peak_mb or 0.0 for row in rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", choices=("oracle", "embedded"))
    parser.add_argument("--quality", default="standard")
    parser.add_argument("--folder", type=Path, help="folder for scores and meshes; a broken-off bench goes on there")
    parser.add_argument("--made", action="store_true", help="record what lies in the folder, and make no more")
    parser.add_argument("--only", type=int, default=0, help="make only the first so many, without recording")
    args = parser.parse_args()
    oracle = args.teacher == "oracle"
    prompts = [with_article(o.name) for o in OBJECTS] if oracle else held_out_prompts()
    evaluation = Evaluation(tuple(prompts[: args.only or None]), 1, args.quality, args.teacher)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        rows = made_before(folder) if args.made else measure(evaluation, folder)
        out = Path(tempfile.gettempdir()) if args.only else RESULTS
        name = f"assets_{args.teacher}"
        pictures.save_png(out / f"{name}.png", draw_sheet(rows, folder / "meshes"))
        made = [row for row in rows if row.mesh]
        meshes = [load(folder / "meshes" / row.mesh) for row in made]
        pictures.save_png(out / f"{name}_portraits.png", portraits([row.result.prompt for row in made], meshes))
    facts = facts_of(rows, args.quality) | {"asked": len(prompts)}
    print(facts, flush=True)
    hidden = ("seed", "mesh", "mesh_digest")
    table = [{key: value for key, value in row.to_json().items() if key not in hidden} for row in rows]
    record(name, table, seed=0, title=f"Text to 3D with the {args.teacher} teacher", facts=facts, folder=out)


if __name__ == "__main__":
    main()
