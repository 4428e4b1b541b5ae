"""The mesh of a run, written once more."""

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

from app.errors import UserError, blamed_on_input
from app.runs import Job, open_run
from distill.engine import RunFailed
from distill.recipes.lift3d import Lift3D
from nerf.export import Placement, export
from nerf.mesh_load import load
from nerf.mesh_textured import TexturedMesh

LARGEST_TEXTURE = 4096  # takes 2.6 GB of memory


def export_again(
    folder: Path,
    suffix: str,
    faces: int | None,
    texture: int | None,
    up: Literal["y", "z"],
    scale: float,
) -> list[Path]:
    """Write the mesh of the run in `folder` into its `exports/` under a name not yet taken; returns the files.

    With `faces` or `texture` the mesh is taken anew from the run's checkpoint, otherwise from its mesh.glb.
    """
    if faces is not None and faces < 4:
        raise UserError(f"faces must be at least 4, got {faces}")
    if texture is not None and not 16 <= texture <= LARGEST_TEXTURE:
        raise UserError(f"texture must be between 16 and {LARGEST_TEXTURE} pixels, got {texture}")
    job = Job.read(folder)
    if not isinstance(job.recipe, Lift3D):
        raise UserError(f"{folder} holds no mesh: it is a run of {type(job.recipe).__name__}")
    with blamed_on_input():
        placement = Placement(up, scale)
        mesh = (
            _finished(folder) if faces is None and texture is None else _anew(folder, job, job.recipe, faces, texture)
        )
        path = _untaken(folder / "exports", suffix)
        try:
            return export(mesh, path, placement)
        except BaseException:
            for part in path.parent.glob(f"{path.stem}.*"):  # an OBJ without its texture is of no use
                part.unlink()
            raise


def _finished(folder: Path) -> TexturedMesh:
    path = folder / "mesh.glb"
    if not path.exists():
        raise UserError(f"{folder} has no mesh yet; finish it with: scorelift resume {folder}")
    try:
        return load(path)
    except ValueError as error:
        raise UserError(f"{error}; with --faces or --texture the mesh comes anew from the checkpoint") from error


def _anew(folder: Path, job: Job, recipe: Lift3D, faces: int | None, texture: int | None) -> TexturedMesh:
    sizes = {name: value for name, value in (("faces", faces), ("texture", texture)) if value is not None}
    other = replace(recipe, turntable=0, **sizes)
    run, _ = open_run(folder, replace(job, recipe=other))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run.export(Path(scratch))
        except RunFailed as error:
            raise UserError(str(error)) from error
        return load(Path(scratch) / "mesh.glb")


def _untaken(folder: Path, suffix: str) -> Path:
    """A name whose files, texture and material included, are not there yet."""
    for number in count(1):
        stem = "mesh" if number == 1 else f"mesh-{number}"
        if not any(folder.glob(f"{stem}.*")):
            return folder / f"{stem}.{suffix}"
    raise AssertionError("counting ends nowhere")
