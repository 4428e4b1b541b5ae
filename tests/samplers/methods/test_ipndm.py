import pytest
import torch
from diffusers import IPNDMScheduler

from samplers.methods.ipndm import IPNDM
from samplers.schedule import VPCosine
from samplers.types import last
from tests.samplers.started import exact

START = torch.randn(6, 1, 1, 1, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("steps", [5, 12])
def test_equals_diffusers_when_published(steps: int):
    """Theirs is the cosine path with v; at t = 1 a guard against dividing by zero loses x0, so it starts at 0.98."""
    grid = torch.linspace(0.98, 0, steps + 1, dtype=torch.float64)
    reference = IPNDMScheduler(trained_betas=VPCosine().sigma(grid).float().numpy())
    reference.set_timesteps(steps)
    x, law = START, exact(VPCosine())
    for k, t in zip(reference.timesteps, grid[:-1], strict=True):
        x = reference.step(law(x, t).v, k, x).prev_sample
    torch.testing.assert_close(last(IPNDM(published=True)(law, VPCosine(), START, grid)), x, rtol=0, atol=1e-4)
    assert not torch.allclose(last(IPNDM()(law, VPCosine(), START, grid)), x, atol=1e-3)
