"""A Brownian path of which more is learned as it is asked for, each sample at its own time."""

import torch
from torch import Tensor

from samplers.noise import Noise


class Bridge:
    """Increments of one Brownian path a sample, read from high t to low; one that was asked for and not accepted is
    kept, and a shorter one splits it by a bridge (Rackauckas and Nie 2017, 10.3934/dcdsb.2017133, rejection sampling
    with memory).

    t: (b,), float64 on the host. fresh: independent standard normal draws.
    """

    def __init__(self, t: Tensor, fresh: Noise) -> None:
        self._fresh = fresh
        self._depth = torch.zeros(len(t), dtype=torch.long)
        self._widths: list[Tensor] = []
        self._steps: list[Tensor] = []

    def take(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """(h, dW) for the next `h` (b,) of each path, shortened where a piece already known ends earlier."""
        if not self._widths or int(self._depth.max()) == len(self._widths):
            self._widths.append(torch.zeros_like(h))
            self._steps.append(torch.zeros_like(x))
        widths, steps = torch.stack(self._widths), torch.stack(self._steps)
        known = self._depth > 0
        top = (self._depth - 1).clamp_min(0)
        width = widths.gather(0, top[None])[0]
        step = steps[top.to(x.device), torch.arange(len(h), device=x.device)]
        h = torch.where(known, torch.minimum(h, width), h)
        z = self._fresh(x, 1.0, 0.0)
        share = torch.where(known & (width > 0), h / width.clamp_min(1e-300), 0.0)
        inner = _like(share, x) * step + _like((share * (1 - share) * width).clamp_min(0).sqrt(), x) * z
        dw = torch.where(_like(known, x), inner, _like(h.sqrt(), x) * z)
        split = (h > 0) & (~known | (h < width))
        for level in range(len(self._widths)):
            rest, new = known & split & (top == level), split & (self._depth == level)
            self._widths[level] = torch.where(new, h, torch.where(rest, width - h, self._widths[level]))
            kept = torch.where(_like(rest, x), step - dw, self._steps[level])
            self._steps[level] = torch.where(_like(new, x), dw, kept)
        self._depth = self._depth + split
        return h, dw

    def accept(self, done: Tensor) -> None:
        """The last increment of these paths (b,) was used; the others will ask again."""
        self._depth = self._depth - done.long()


def _like(values: Tensor, x: Tensor) -> Tensor:
    kind = x.dtype if values.is_floating_point() else values.dtype
    return values.to(x.device, kind).reshape(-1, *[1] * (x.ndim - 1))
