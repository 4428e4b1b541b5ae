"""nerfacc's packed scan on CUDA (Li et al. 2023, arXiv 2305.04966), where its kernels compile and agree with ours.

They are compiled at first use and fail there in many ways, depending on the versions of CUDA and torch; hence a check
once a process, on a small example, instead of a look at versions.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from nerf import render
from nerf.occupancy import Samples


def transmittance(optical: Tensor, samples: Samples) -> Tensor:
    """`nerf.render.transmittance`."""
    from nerfacc import render_transmittance_from_density

    begin, rays = torch.zeros_like(optical), len(samples.starts) - 1
    return render_transmittance_from_density(begin, begin + 1, optical, ray_indices=samples.ray, n_rays=rays)[0]


@lru_cache(maxsize=1)
def works() -> bool:
    """Whether nerfacc is here and gives, on a small example, the reference's values and gradients."""
    if not torch.cuda.is_available():
        return False
    try:
        return torch.allclose(_example(transmittance), _example(render.transmittance), atol=1e-5)
    except Exception:  # whatever goes wrong in a foreign build, the reference serves
        return False


def _example(function: Callable[[Tensor, Samples], Tensor]) -> Tensor:
    """Transmittances and a gradient for rays of 3, 0 and 4 samples."""
    ray = torch.tensor([0, 0, 0, 2, 2, 2, 2], device="cuda")
    samples = Samples(torch.zeros(7, device="cuda"), ray, torch.tensor([0, 3, 3, 7], device="cuda"))
    optical = torch.linspace(0.1, 2, 7, device="cuda", requires_grad=True)
    passed = function(optical, samples)
    return torch.cat([passed, *torch.autograd.grad((passed * passed).sum(), optical)]).detach()
