"""Text to 3D against ground truth: `python -m tests.bench.assets oracle` and `... embedded`.

`oracle` makes every object of the catalog with the teacher that knows the truth: what is missing is the pipeline's.
`embedded` makes 20 prompts of held-out combinations with the teacher that ships. Scores are taken from the exported
GLB, without alignment or threshold search. Writes results/assets_TEACHER.json, .md, .png and _portraits.png.
"""

import argparse
import resource
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from app.presets import changed, find
from app.runs import open_teacher
from distill.catalog.captions import SUPPORTS, VOCABULARY, draw, has_combination, phrase
from distill.catalog.objects import OBJECTS
from distill.catalog.oracle import OracleTeacher
from distill.catalog.truth import GROUPS, slot_colors, surface, truth
from distill.engine import optimize
from distill.events import Finished, Warned
from distill.metrics import score_mesh
from nerf import pictures
from nerf.cameras import Cameras, orbit
from nerf.mesh_load import load
from nerf.mesh_render import render
from nerf.mesh_textured import TexturedMesh
from nerf.solids import render_groups, stack
from tests.bench.record import RESULTS, record

PLAIN = ("sphere", "cube", "cylinder", "cone", "torus", "pyramid")
VIEWS = orbit(4, elevation=0.35, distance=3.2, fov=0.698)
PORTRAIT = orbit(12, elevation=0.35, distance=3.2, fov=0.698)[1:2]


def held_out_prompts(seed: int = 2026) -> list[str]:
    """Three plain solids, one of every other object, and pairs up to 20: all of combinations never trained on."""
    generator = torch.Generator().manual_seed(seed)
    names = [o.name for o in OBJECTS if has_combination((o.name,), held_out=True)]
    plain, things = [n for n in names if n in PLAIN][:3], [n for n in names if n not in PLAIN]
    pairs = [(upper, lower) for upper, lower in zip(things[::-1] * 2, SUPPORTS * 4, strict=False) if upper != lower]
    kinds = [(name,) for name in (*plain, *things)] + pairs
    return [phrase(draw(generator, held_out=True, kinds=k)) for k in kinds[:20]]


def make(prompt: str, teacher, quality: str, seed: int, folder: Path) -> tuple[dict, list]:
    """Generate one asset and score it: a row of figures, and its pictures in four views beside the truth's."""
    recipe = changed(find(quality)(prompt, seed), guidance=1.0 if isinstance(teacher, OracleTeacher) else None)
    recipe = replace(recipe, turntable=0)
    started = time.perf_counter()
    run = recipe.build(teacher, torch.device("cpu"))
    events = list(optimize(run, steps=recipe.steps, out=folder))
    end = events[-1]
    if not isinstance(end, Finished):
        raise SystemExit(f"{prompt}: {end}")
    seconds = time.perf_counter() - started
    caption = VOCABULARY.parse(prompt)
    mesh = load(folder / "mesh.glb")
    score = score_mesh(
        mesh, truth(caption).inside, lambda n, g: surface(caption, n, g), torch.Generator().manual_seed(0)
    )
    row = {
        "prompt": prompt,
        "iou": score.iou,
        "fscore": score.fscore,
        "chamfer_l1": score.chamfer_l1,
        "color_error": score.color_error,
        "psnr": end.results["psnr"],
        "faces": end.results["faces"],
        "seconds": round(seconds, 1),
        "warnings": sum(isinstance(e, Warned) for e in events),
    }
    return row, [*render(mesh, VIEWS, 160, supersample=2).rgb, *true_pictures(prompt)]


def true_pictures(prompt: str, views: Cameras = VIEWS, size: int = 160) -> torch.Tensor:
    caption = VOCABULARY.parse(prompt)
    layers = render_groups(stack([truth(caption)] * len(views)), views, size, GROUPS)
    colors = slot_colors(caption.things)
    return torch.einsum("vghw,gc->vchw", layers[:, :GROUPS], colors) + (1 - layers[:, GROUPS:])


def portraits(prompts: list[str], meshes: list[TexturedMesh], across: int = 4) -> torch.Tensor:
    """A compact sheet: every asset and its truth, once each, from the front right."""
    cells, captions = [], []
    for prompt, mesh in zip(prompts, meshes, strict=True):
        cells += [render(mesh, PORTRAIT, 160, supersample=3).rgb[0], true_pictures(prompt, PORTRAIT, 480)[0]]
        captions += [prompt, "ground truth"]
    rows = [
        pictures.Row("", cells[k : k + 2 * across], captions[k : k + 2 * across])
        for k in range(0, len(cells), 2 * across)
    ]
    return pictures.contact_sheet(rows, cell=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", choices=("oracle", "embedded"))
    parser.add_argument("--quality", default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--meshes", type=Path, help="folder to keep the GLB files in, for validate_glb.mjs")
    parser.add_argument("--only", type=int, default=0, help="make only the first so many, without recording")
    args = parser.parse_args()
    oracle = args.teacher == "oracle"
    prompts = [f"{'an' if o.name[0] in 'aeiou' else 'a'} {o.name}" for o in OBJECTS] if oracle else held_out_prompts()
    teacher = open_teacher(args.teacher, torch.device("cpu"))
    rows, sheet, meshes = [], [], []
    for prompt in prompts[: args.only or None]:
        with tempfile.TemporaryDirectory() as folder:
            row, shots = make(prompt, teacher, args.quality, args.seed, Path(folder))
            meshes.append(load(Path(folder) / "mesh.glb"))
            if args.meshes:
                args.meshes.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(folder) / "mesh.glb", args.meshes / f"{len(rows):02}.glb")
        print(row, flush=True)
        rows.append(row)
        captions = [f"IoU {row['iou']:.2f}  F {row['fscore']:.2f}", "", "", "", "ground truth", "", "", ""]
        sheet.append(pictures.Row(prompt, shots, captions))
    facts = {f"mean_{k}": sum(r[k] for r in rows) / len(rows) for k in ("iou", "fscore", "chamfer_l1", "color_error")}
    facts |= {"min_iou": min(r["iou"] for r in rows), "n": len(rows), "quality": args.quality}
    facts["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(facts, flush=True)
    folder = Path(tempfile.gettempdir()) if args.only else RESULTS
    name = f"assets_{args.teacher}"
    pictures.save_png(folder / f"{name}.png", pictures.contact_sheet(sheet, cell=160))
    pictures.save_png(folder / f"{name}_portraits.png", portraits([row["prompt"] for row in rows], meshes))
    record(name, rows, seed=args.seed, title=f"Text to 3D with the {args.teacher} teacher", facts=facts, folder=folder)


if __name__ == "__main__":
    main()
