"""Meshes to test on: smooth ones of solids, and one with everything that noise does to a surface."""

import numpy as np
import torch

from nerf.isosurface import sample, surface
from nerf.mesh_clean import signed_volumes
from tests.nerf.soft_solids import soft


def meshed(distance, resolution=64):
    return surface(sample(soft(distance), resolution), 100.0, soft(distance))


def volume(mesh):
    return signed_volumes(*mesh[:2]).sum()


def noisy(amplitude, resolution=64):
    """A closed mesh full of bumps, bubbles and handles."""
    rng = np.random.default_rng(0)
    grid = sample(lambda p: 3 + 10 * (0.7 - p.norm(dim=-1)), resolution)
    noise = torch.from_numpy(rng.standard_normal((1, 1, resolution, resolution, resolution)).astype(np.float32))
    rough = grid + amplitude * torch.nn.functional.avg_pool3d(noise, 3, 1, 1)[0, 0].numpy()
    return surface(np.pad(rough[1:-1, 1:-1, 1:-1], 1), 3.0)
