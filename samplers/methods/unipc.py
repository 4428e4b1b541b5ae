"""UniPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import expm1, factorial, isfinite
from typing import Literal, Self

import numpy as np
from torch import Tensor

from samplers.adams import Of, Seen, adams, hold, moment, seen, usable
from samplers.dpm import tapered
from samplers.grids import Node, nodes
from samplers.noise import Noise
from samplers.schedule import NoiseSchedule
from samplers.types import Denoiser, Step


@dataclass(frozen=True)
class UniPC:
    """UniPC-p, Zhao et al. 2023, 2302.04867, algorithms 1 and 2: predictor UniP-p, and corrector UniC-p, which lets the
    polynomial go through the value at the predicted point too.

    p: past values in use. of: "x0" (data prediction) or "eps".
    form: B(h) cancels wherever the paper solves for its weights; it is seen only in its two shortcuts (one half for
    UniP-2 and UniC-1): "bh1" has B = h there, "bh2" B = e^h - 1. "vary" has none: the varying coefficients.
    corrector: without, it is UniP-p, of order p.
    pec: the value at the predicted point stays in the history, as in the paper; False evaluates anew at the corrected
    point (PECE), one more call for every step but the last.
    published: "vary" as in the authors' code, which leaves out a row of the corrector's weights: order 1 from p = 2 on.
    taper: in so many last steps, at most as many values are used as steps are left.

    The last step has no corrector, and no other step needs an extra call for it; a step's state is the predicted one.
    """

    p: Literal[1, 2, 3, 4] = 3
    form: Literal["bh1", "bh2", "vary"] = "bh2"
    of: Of = "x0"
    corrector: bool = True
    pec: bool = True
    published: bool = False
    taper: int = 0

    def __post_init__(self) -> None:
        if self.published and self.form != "vary":
            raise ValueError(f'published=True changes form="vary" alone, got form={self.form!r}')

    @property
    def order(self) -> int:
        if self.published and self.p > 1 and self.corrector:
            return 1
        return self.p + 1 if self.corrector else self.p

    @property
    def stochastic(self) -> bool:
        return False

    @classmethod
    def variants(cls) -> tuple[Self, ...]:
        every = (cls(p=p, form=form) for p in (1, 2, 3, 4) for form in ("bh1", "bh2"))
        noise = (cls(p=p, of="eps") for p in (2, 3))
        plain = (cls(p=p, corrector=False) for p in (2, 3))
        vary = (cls(form="vary"), cls(form="vary", published=True), cls(p=2, pec=False))
        return *every, *noise, *plain, *vary

    def nfe(self, schedule: NoiseSchedule, grid: Tensor) -> int:
        """One a step; without `pec` one more wherever a corrector runs."""
        if self.pec or not self.corrector:
            return len(grid) - 1
        path = nodes(schedule, grid)
        return len(grid) - 1 + sum(isfinite(s.lam) for s, _ in pairwise(path[:-1]))

    def __call__(
        self, denoise: Denoiser, schedule: NoiseSchedule, x: Tensor, grid: Tensor, *, noise: Noise | None = None
    ) -> Iterator[Step]:
        path, history, used, start = nodes(schedule, grid), list[Seen](), list[Seen](), x
        for left, (s, t) in zip(range(len(path) - 1, 0, -1), pairwise(path), strict=True):
            here = seen(denoise(x, s.clock), s, self.of)
            if self.corrector and used and isfinite(used[0].node.lam):
                x = self._corrected(start, used, here)
                if not self.pec:
                    here = seen(denoise(x, s.clock), s, self.of)
            history = [here, *history][: self.p]
            used = usable(history[: tapered(self.p, left, self.taper)], t)
            start, x = x, self._predicted(x, used, t)
            yield Step(s.t, t.t, x, here.x0)

    def _predicted(self, x: Tensor, used: Sequence[Seen], t: Node) -> Tensor:
        if len(used) == 2 and self.form != "vary":
            return self._half(x, used[0], used[1], t)
        return adams(x, used, t, of=self.of)

    def _corrected(self, x: Tensor, used: Sequence[Seen], new: Seen) -> Tensor:
        if len(used) == 1 and self.form != "vary":
            return self._half(x, used[0], new, new.node)
        if len(used) > 1 and self.published:
            return self._short_of_a_row(x, used, new)
        return adams(x, [*used, new], new.node, of=self.of)

    def _half(self, x: Tensor, here: Seen, other: Seen, t: Node) -> Tensor:
        """The shortcut: the slope counts B / 2."""
        h = t.lam - here.node.lam
        slope = (other.value - here.value) * (h / (other.node.lam - here.node.lam))
        if self.of == "x0":
            weight = t.alpha * (h if self.form == "bh1" else -expm1(-h))
        else:
            weight = -t.sigma * (h if self.form == "bh1" else expm1(h))
        return hold(x, here, t, of=self.of) + weight / 2 * slope

    def _short_of_a_row(self, x: Tensor, used: Sequence[Seen], new: Seen) -> Tensor:
        """The corrector of the authors' code: derivatives 1 to k - 1 leave out the new value, and the weight of
        derivative k falls on the new value with the row of derivative k - 1."""
        here, *past = used
        h = new.node.lam - here.node.lam
        at = np.array([(other.node.lam - here.node.lam) / h for other in (*past, new)])
        k = len(at)
        rows = np.linalg.inv(np.stack([at**j / factorial(j + 1) for j in range(k)], 1))
        rate, scale = (1.0, new.node.alpha) if self.of == "x0" else (-1.0, -new.node.sigma)
        x_t = hold(x, here, new.node, of=self.of)
        for j in range(k - 1):
            for i, other in enumerate(past):
                step = float(rows[j, i] / at[i]) * (other.value - here.value)
                x_t = x_t + scale * moment(j + 1, h, rate) * step
        return x_t + scale * moment(k, h, rate) * float(rows[k - 2, -1]) * (new.value - here.value)
