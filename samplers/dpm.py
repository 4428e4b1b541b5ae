"""What the DPM-Solver family shares: one step through nodes of a history, multistep loops, singlestep stages."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Literal

from torch import Tensor

from samplers.adams import Of, Seen, adams, hold, inside, moment, seen, usable
from samplers.grids import Node, nodes
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step

Form = Literal["midpoint", "exact"]


def update(
    x: Tensor,
    history: Sequence[Seen],
    t: Node,
    *,
    of: Of,
    form: Form = "exact",
    eta: float = 0.0,
    published: bool = False,
) -> Tensor:
    """The step from history[0] to `t` of order len(history).

    form: "midpoint" holds the line through two nodes at the middle of the step; "exact" integrates it.
    published: the curvature of three nodes counts half, as in the papers and in diffusers, which leaves order 2; with
    noise, diffusers' formula for denoised samples has a wrong sign on top, which takes it off once more.
    """
    history = usable(history, t)
    if len(history) == 2 and form == "midpoint":
        here, other = history
        s = here.node
        slope = (here.value - other.value) / (s.lam - other.node.lam)
        return hold(x, here._replace(value=here.value + (t.lam - s.lam) / 2 * slope), t, of=of, eta=eta)
    x_t = adams(x, history, t, of=of, eta=eta)
    if published and len(history) == 3:
        h = t.lam - history[0].node.lam
        rate, scale = (1 + eta, t.alpha) if of == "x0" else (-1.0, -t.sigma)
        excess = (1 + eta) * scale * moment(2, h, rate) + (t.alpha if of == "x0" and eta else 0.0)
        x_t = x_t - excess * h**2 * curvature(history)
    return x_t


def curvature(history: Sequence[Seen]) -> Tensor:
    """The second divided difference in lam of three entries."""
    (a, _, u), (b, _, v), (c, _, w) = history
    return ((u - v) / (a.lam - b.lam) - (v - w) / (b.lam - c.lam)) / (a.lam - c.lam)


def tapered(memory: int, left: int, taper: int) -> int:
    """Nodes in use when `left` steps are left, this one included: at most `left` in the last `taper` steps."""
    return min(memory, left) if left <= taper else memory


def multistep(
    denoise: Denoiser, path: Sequence[Node], x: Tensor, *, of: Of, memory: int, form: Form, published: bool, taper: int
) -> Iterator[Step]:
    history: list[Seen] = []
    for left, (s, t) in zip(range(len(path) - 1, 0, -1), pairwise(path), strict=True):
        here = seen(denoise(x, s.clock), s, of)
        history = [here, *history][:memory]
        x = update(x, history[: tapered(memory, left, taper)], t, of=of, form=form, published=published)
        yield Step(s.t, t.t, x, here.x0)


def stages_inside(schedule: NoiseSchedule, s: Node, t: Node, stages: int) -> list[Node]:
    """Where the stages after the first stand, even in lam; none where lam is infinite at an end."""
    if not (isfinite(s.lam) and isfinite(t.lam)):
        return []
    return [inside(schedule, s, t, k / stages) for k in range(1, stages)]


def singlestep(
    denoise: Denoiser,
    x: Tensor,
    here: Seen,
    inner: Sequence[Node],
    t: Node,
    *,
    of: Of,
    form: Form,
    stage_form: Form = "exact",
) -> Iterator[tuple[Node, Tensor, Tensor]]:
    """The states at the nodes `inner` and at `t`, each with the denoised sample seen before it: DPM-Solver-1, 2 and 3
    with the stages at `inner`. With three stages "midpoint" means the line through the first and the last; stage_form
    is that of the second stage among three."""
    line = [here]
    for node in (*inner, t):
        last = node is t
        if last and len(line) == 3 and form == "midpoint":
            line = [line[0], line[2]]
        x_t = update(x, line, node, of=of, form=form if last and len(inner) == 1 else "exact" if last else stage_form)
        yield node, x_t, line[-1].x0
        if not last:
            line = [*line, seen(denoise(x_t, node.clock), node, of)]


def singlesteps(
    denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, path: Sequence[Node], *, of: Of, stages: int, form: Form
) -> Iterator[Step]:
    for s, t in pairwise(path):
        here = seen(denoise(x, s.clock), s, of)
        for _, state, _ in singlestep(denoise, x, here, stages_inside(schedule, s, t, stages), t, of=of, form=form):
            x_t = state
        x = x_t  # pyright: ignore[reportPossiblyUnboundVariable]
        yield Step(s.t, t.t, x, here.x0)


def singlestep_calls(schedule: NoiseSchedule, grid: Tensor, stages: int) -> int:
    """`stages` a step, but one where lam is infinite at an end."""
    return sum(stages if isfinite(s.lam) and isfinite(t.lam) else 1 for s, t in pairwise(nodes(schedule, grid)))
