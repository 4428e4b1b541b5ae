"""Prompts for views: what to tell a teacher that takes no camera about where the camera stands.

A teacher that takes cameras is told the camera itself, and no view words.
"""

from dataclasses import dataclass
from math import exp, pi, radians

import torch
from torch import Tensor

from guidance.teacher import Cond, Guided, Teacher, Views

FRONT, SIDE, BACK, OVERHEAD = range(4)


@dataclass(frozen=True)
class Directions:
    """Which words go with which view (DreamFusion, Poole et al. 2022, 2209.14988, section 3.2). Angles in radians.

    front, back: half-widths in azimuth of the two sectors; side is what lies between.
    overhead: elevation above which a view is from overhead, whatever its azimuth.
    templates: for front, side, back and overhead; "{}" is the prompt.
    """

    front: float = radians(45)
    back: float = radians(45)
    overhead: float = radians(60)
    templates: tuple[str, str, str, str] = ("{}, front view", "{}, side view", "{}, back view", "{}, overhead view")

    def __post_init__(self) -> None:
        if not (self.front > 0 and self.back > 0 and self.front + self.back <= pi):
            raise ValueError(f"front and back sectors must be positive and not overlap, got {self.front}, {self.back}")
        if any("{}" not in template for template in self.templates):
            raise ValueError(f"every view template needs {{}} where the prompt goes, got {self.templates}")

    def words(self, prompt: str) -> list[str]:
        """The four prompts, in the order FRONT, SIDE, BACK, OVERHEAD."""
        return [template.format(prompt) for template in self.templates]

    def index(self, views: Views) -> Tensor:
        """Which of the four each view is, (V,) integers."""
        off = from_front(views)
        index = torch.full(off.shape, SIDE, device=off.device)
        index[off < self.front] = FRONT
        index[off > pi - self.back] = BACK
        index[views.elevation > self.overhead] = OVERHEAD
        return index


PLAIN = Directions(templates=("{}", "{}", "{}", "{}"))
"""For teachers whose prompts are no sentences, such as names of classes: no view words."""


def reads_words(teacher: Teacher) -> bool:
    """Whether words about the view may be added to the teacher's prompts; a teacher that cannot take them says so by
    an attribute `reads_words`."""
    return bool(getattr(teacher, "reads_words", True))


def from_front(views: Views) -> Tensor:
    """How far each view's azimuth is from the front, in [0, pi], (V,)."""
    return (torch.remainder(views.azimuth + pi, 2 * pi) - pi).abs()


def perp_neg_weights(views: Views, directions: Directions) -> tuple[Tensor, Tensor]:
    """Weights (V,) <= 0 for the front and the side prompt as Perp-Neg negatives, against faces on every side.

    The decay curves of Perp-Neg for 3D (Armandpour et al. 2023, 2304.04968) with the constants in common
    use: each falls to zero where its own direction is seen, and the two halves join at 90 degrees. Deviation: the
    positive prompt is that of the nearest direction, not a blend of two embeddings, which not every teacher has.
    Overhead views get zero.
    """
    quarter = from_front(views) / (pi / 2)
    before = quarter <= 1
    ahead = torch.where(before, 1 - quarter, 2 - quarter)  # 1 at the start of the quarter turn, 0 at its end

    def decay(r: Tensor) -> Tensor:
        return (-r / 2).exp() - exp(-0.5)

    front = torch.where(before, 4 * decay(ahead), decay(ahead) + 4 * (1 - exp(-0.5)))
    side = torch.where(before, 4 * decay(1 - ahead), decay(ahead))
    seen = (views.elevation <= directions.overhead).to(front)
    return -front * seen, -side * seen


@dataclass(frozen=True, eq=False)
class ViewGuided:
    """Guidance whose prompt depends on the view; `at(views)` makes it a `Guided` for these views.

    words: four rows, as `Directions.words`. perp_neg: strength of view negatives, 0 is off, 1 the published weights.
    negatives: as in `Guided`, the same for every view.
    """

    teacher: Teacher
    words: Cond
    null: Cond
    scale: float
    directions: Directions
    perp_neg: float
    negatives: tuple[tuple[Cond, float | Tensor], ...] = ()

    def at(self, views: Views) -> Guided:
        negatives = self.negatives
        if self.perp_neg > 0:
            weights = perp_neg_weights(views, self.directions)
            rows = (self.words[torch.tensor([row])] for row in (FRONT, SIDE))
            negatives += tuple((row, self.perp_neg * weight) for row, weight in zip(rows, weights, strict=True))
        cond = self.words[self.directions.index(views).cpu()]
        return Guided(self.teacher, cond, self.null, self.scale, negatives).at(views)


def guide(
    teacher: Teacher,
    prompt: str,
    *,
    scale: float,
    negative: str = "",
    perp_neg: float = 0.0,
    directions: Directions | None = None,
) -> Guided | ViewGuided:
    """The guidance for one prompt, embedded once; call its `at(views)` at every step.

    negative: a prompt to move away from. It does not replace the unconditional prompt: only what of it is perpendicular
    to `prompt` is pushed away (Perp-Neg with weight -1), so it cannot cancel the prompt.
    perp_neg: view negatives for a teacher that takes no camera. ValueError where the teacher takes one.
    """
    null = teacher.embed([""])
    negatives = ((teacher.embed([negative]), -1.0),) if negative else ()
    if teacher.cameras is None:
        directions = directions or (Directions() if reads_words(teacher) else PLAIN)
        words = teacher.embed(directions.words(prompt))
        return ViewGuided(teacher, words, null, scale, directions, perp_neg, negatives)
    if perp_neg > 0:
        raise ValueError(f"perp_neg={perp_neg} works on view words, but this teacher takes cameras: set it to 0")
    return Guided(teacher, teacher.embed([prompt]), null, scale, negatives)
