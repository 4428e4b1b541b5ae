"""The commands, as typed dataclasses: a field is a flag, its docstring the help, calling it does the work.

What needs torch is imported inside the calls, so that help and mistakes answer at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from app.errors import UserError, blamed_on_input
from app.teachers import TEACHERS, check, usual
from guidance.teachers.families import known
from guidance.teachers.loading import USUAL, Loading
from guidance.vocabulary import load_vocabulary


@dataclass(frozen=True)
class Generate:
    """Make a textured 3D asset from a prompt.

    The run's folder gets mesh.glb, turntable.mp4, previews and a checkpoint. Ctrl-C stops after the current step and
    keeps everything; `scorelift resume` goes on.
    """

    prompt: Annotated[Positional[str], arg(metavar="PROMPT")]
    """What to make, for example "a red mushroom with a white stem"."""
    seed: int = 0
    """Same seed, same asset."""
    quality: Annotated[str, arg(metavar="{draft,standard,high}")] = "standard"
    """How long to work on it."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the quality's)")] = None
    """Optimization steps."""
    teacher: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: embedded)")] = None
    """A name, a folder or a hub id; `scorelift teachers` lists them."""
    objective: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: the quality's)")] = None
    """How the teacher pushes the asset: sds, sjc or csd."""
    guidance: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: the quality's)")] = None
    """Scale of classifier-free guidance: higher follows the prompt harder, lower gives softer colors; 1 is off."""
    out: Annotated[str | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/PROMPT-SEED)")] = None
    """Folder of the run; new or empty."""
    loading: OmitArgPrefixes[Loading] = USUAL
    """How the teacher is opened."""

    def __call__(self) -> int:
        if not self.prompt.strip():
            raise UserError('the prompt is empty: name a thing, for example "a red mushroom"')
        with blamed_on_input():
            name = check(usual(self.quality) if self.teacher is None else self.teacher, self.prompt)

        from app import estimate, presets, runs
        from app.work import start

        with blamed_on_input():
            recipe = presets.asked_for(
                self.prompt,
                self.seed,
                self.quality,
                name,
                steps=self.steps,
                objective=self.objective,
                guidance=self.guidance,
                loading=self.loading,
            )
            job = runs.Job(recipe, name, self.loading)
            for line in estimate.lines(recipe, name, self.loading):
                print(line)
        return start(job, self.out, f"{runs.slug(self.prompt)}-{self.seed}")


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was stopped, killed or interrupted: any kind of run."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """The run's folder."""

    def __call__(self) -> int:
        from app import runs
        from app.work import carry_out

        job = runs.Job.read(self.run)
        if (self.run / runs.RESULTS).exists():
            print(f"{self.run} is finished; its results stand in {self.run / runs.RESULTS}")
            return 0
        return carry_out(self.run, job)


@dataclass(frozen=True)
class Export:
    """Write the mesh of a run once more, in another format or size. Earlier files stay."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """The run's folder."""
    format: Literal["glb", "obj", "ply", "stl"] = "glb"
    """STL comes in millimeters, 10 cm for an asset of full size."""
    faces: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: as in mesh.glb)")] = None
    """At most so many triangles; takes the mesh anew from the checkpoint."""
    texture: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: as in mesh.glb)")] = None
    """Pixels along a side of the texture; takes the mesh anew from the checkpoint."""
    up: Literal["y", "z"] = "y"
    """The axis that points up in the file; printers and Blender's STL import want z."""
    scale: float = 1.0
    """Factor on all coordinates."""

    def __call__(self) -> int:
        from app.meshes import export_again

        for path in export_again(self.run, self.format, self.faces, self.texture, self.up, self.scale):
            print(path)
        return 0


@dataclass(frozen=True)
class Teachers:
    """List the teachers that --teacher takes."""

    def __call__(self) -> int:
        for name, what in TEACHERS.items():
            print(f"{name:10} {what}")
        print(f"diffusers checkpoints: {known()}")
        return 0


@dataclass(frozen=True)
class Words:
    """List the words that the embedded teacher knows."""

    def __call__(self) -> int:
        known = load_vocabulary()
        print("colors: " + ", ".join(known.colors))
        patterns = {name: entry for name, entry in known.patterns.items() if name != "plain"}
        if patterns:
            print("patterns, each in a second color:")
        for name, entry in patterns.items():
            print(f"  {name} (or {', '.join([*entry['synonyms'], *entry['marks']])})")
        print(f"relations between two things: {', '.join(known.relations)}")
        print("things, with their parts that take a color of their own:")
        for name, entry in known.objects.items():
            parts = list(entry["slots"])[1:]
            also = f" (or {', '.join(entry['synonyms'])})" if entry["synonyms"] else ""
            stands = "; things can stand on it" if entry["support"] else ""
            print(f"  {name}{also}{': ' + ', '.join(parts) if parts else ''}{stands}")
        more = ', "a striped vase with a gold rim"' * bool(patterns) + ', "a cat next to a dog"' * len(
            known.relations[1:]
        )
        print(f'say for example: "a red mushroom with a white stem", "a blue cube on a table"{more}')
        return 0
