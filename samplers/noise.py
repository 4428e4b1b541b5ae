"""Noise for stochastic steps: drawn one after another, or read off one Brownian path."""

import hashlib
from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor

Noise = Callable[[Tensor, float, float], Tensor]
"""(like, s, t) -> standard normal noise of `like`'s shape, dtype and device for the step from s to t < s."""

DEPTH = 24


def sequential(generator: torch.Generator) -> Noise:
    """A fresh draw at every step; the result depends on the number of steps."""

    def draw(like: Tensor, s: float, t: float) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)

    return draw


def brownian(seed: int) -> Noise:
    """Increments of one Brownian path over t in [0, 1], fixed by `seed`: a finer grid sees the same path, refined.

    A virtual Brownian tree (Li et al. 2020, 2001.01328, section 4): the path is bisected by bridges, and the normal
    draw of every bisection is keyed by its place, so that nothing is stored. A step costs about 50 draws on the host.
    ValueError on a step shorter than 2^-24, where the tree ends.
    """

    def draw(like: Tensor, s: float, t: float) -> Tensor:
        if _leaf(s) == _leaf(t):
            raise ValueError(f"step from {s} to {t} is too short for a Brownian path; use a coarser grid")
        return (_path(seed, like, s) - _path(seed, like, t)) / sqrt(s - t)

    return draw


def _leaf(t: float) -> int:
    return min(int(t * 2**DEPTH), 2**DEPTH - 1)


def _path(seed: int, like: Tensor, t: float) -> Tensor:
    """W(t), with W(0) = 0."""
    leaf = _leaf(t)
    low, high = torch.zeros_like(like), _keyed(seed, like, -1, 0)
    for level in range(DEPTH):
        middle = (low + high) / 2 + sqrt(2.0**-level) / 2 * _keyed(seed, like, level, leaf >> (DEPTH - level))
        if leaf >> (DEPTH - level - 1) & 1:
            low = middle
        else:
            high = middle
    # A last bridge inside the leaf, with one draw for the whole leaf: right for any two times in different leaves.
    ahead = t * 2**DEPTH - leaf
    within = sqrt(ahead * (1 - ahead) * 2.0**-DEPTH) * _keyed(seed, like, DEPTH, leaf)
    return low + ahead * (high - low) + within


def _keyed(seed: int, like: Tensor, level: int, index: int) -> Tensor:
    """The normal draw at one place of the tree; the same on every device."""
    key = hashlib.blake2b(f"{seed} {level} {index}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key, "little"))
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
