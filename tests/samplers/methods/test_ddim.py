from itertools import pairwise
from math import prod, sqrt

import pytest
import torch
from diffusers import DDIMScheduler

from samplers.grids import nodes, tabulated, uniform_lam, uniform_t
from samplers.methods.ddim import DDIM
from samplers.noise import brownian, sequential
from samplers.schedule import EDM, NoiseSchedule, Tabulated
from samplers.types import last
from tests.samplers.exact import SCHEDULES, TABLE, gaussian, mixture

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_equals_diffusers(eta: float):
    reference = DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
    reference.alphas_cumprod = torch.tensor(TABLE, dtype=torch.float64)
    reference.set_timesteps(20)
    law, grid = mixture(Tabulated(TABLE)), tabulated("trailing", 20)
    x = start = torch.randn(6, 1, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = brownian(4)
    for k, s, t in zip(reference.timesteps, grid[:-1], grid[1:], strict=True):
        z = noise(x, float(s), float(t))
        x = reference.step(law(x, s).eps, int(k), x, eta=eta, variance_noise=z).prev_sample
    found = last(DDIM(eta=eta)(law, Tabulated(TABLE), start, grid, noise=noise))
    torch.testing.assert_close(found, x, rtol=0, atol=1e-9)


@each_schedule
def test_slope_on_a_gaussian_is_the_known_product(schedule: NoiseSchedule):
    """N steps scale by prod (alpha_s alpha_t l + sigma_s sigma_t) / v_s, less than the exact sqrt(v_t / v_s)."""
    mean, spread = 0.3, 0.25
    grid = uniform_lam(schedule, 8, start=0.9, end=0.1)
    x = torch.tensor([-1.0, 2.0], dtype=torch.float64).view(2, 1, 1, 1)
    found = last(DDIM()(gaussian(schedule, mean, spread), schedule, x, grid))
    path = nodes(schedule, grid)

    def v(node):
        return node.alpha**2 * spread + node.sigma**2

    slope = prod((s.alpha * t.alpha * spread + s.sigma * t.sigma) / v(s) for s, t in pairwise(path))
    expected = path[-1].alpha * mean + slope * (x - path[0].alpha * mean)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    assert slope < sqrt(v(path[-1]) / v(path[0])) * (1 - 1e-4)


@each_schedule
def test_eta_one_is_ancestral_sampling_on_every_path(schedule: NoiseSchedule):
    """The posterior of DDPM with beta = sigma_s^2 - (alpha_s sigma_t / alpha_t)^2, small variance."""
    grid = torch.tensor([0.7, 0.4], dtype=torch.float64)
    s, t = nodes(schedule, grid)
    x = torch.tensor([-1.0, 2.0], dtype=torch.float64).view(2, 1, 1, 1)
    law = mixture(schedule)
    x0, z = law(x, grid[0]).x0, brownian(1)(x, 0.7, 0.4)

    def posterior(beta: float):
        mean = beta * t.alpha / s.sigma**2 * x0 + s.alpha / t.alpha * (t.sigma / s.sigma) ** 2 * x
        return mean + sqrt(beta) * t.sigma / s.sigma * z

    found = last(DDIM(eta=1.0)(law, schedule, x, grid, noise=brownian(1)))
    torch.testing.assert_close(
        found, posterior(s.sigma**2 - (s.alpha * t.sigma / t.alpha) ** 2), rtol=1e-10, atol=1e-12
    )
    if isinstance(schedule, EDM):  # the form that holds only where variance is preserved draws no noise at all here
        assert not torch.allclose(found, posterior(1 - s.alpha**2 / t.alpha**2), atol=1e-2)


def test_samples_have_the_variance_of_the_data():
    schedule = Tabulated(TABLE)
    x = torch.randn(4000, 1, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = sequential(torch.Generator().manual_seed(1))
    found = last(DDIM(eta=1.0)(gaussian(schedule, 0.5, 0.09), schedule, x, uniform_t(400), noise=noise))
    assert float(found.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(found.std()) == pytest.approx(0.3, abs=0.02)


def test_eta_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"eta must be between 0 .* got 1.5"):
        DDIM(eta=1.5)
