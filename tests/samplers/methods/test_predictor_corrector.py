import pytest
import torch
from diffusers import ScoreSdeVeScheduler

from samplers.methods.predictor_corrector import PredictorCorrector
from samplers.noise import sequential
from samplers.schedule import EDM
from samplers.types import last
from tests.samplers.started import exact

START = 20 * torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("corrections", [1, 2])
def test_equals_diffusers_when_published(corrections: int):
    """Theirs for x with alpha = 1 at their noise levels; its last mean is our step to the clean end."""
    reference = ScoreSdeVeScheduler(sigma_min=0.01, sigma_max=20.0, snr=0.1, correct_steps=corrections)
    reference.set_timesteps(12)
    reference.set_sigmas(12)
    schedule = EDM(20.0)
    levels = reference.discrete_sigmas.double().flip(0) / 20.0
    law, x, generator = exact(schedule), START, torch.Generator().manual_seed(3)
    for k, t in enumerate(levels):
        for _ in range(corrections):
            x = reference.step_correct(law(x, t).score, x, generator=generator).prev_sample
        at = torch.tensor((11 - k + 0.5) / 11)  # they round down
        mean = reference.step_pred(law(x, t).score, at, x, generator=generator)
        x = mean.prev_sample
    grid = torch.cat([levels, levels.new_zeros(1)]).clamp_max(1.0)

    def found(published: bool) -> torch.Tensor:
        sampler = PredictorCorrector(corrections, 0.1, published)
        return last(sampler(law, schedule, START, grid, noise=sequential(torch.Generator().manual_seed(3))))

    torch.testing.assert_close(found(True), mean.prev_sample_mean, rtol=0, atol=1e-4)
    assert not torch.allclose(found(False), mean.prev_sample_mean, atol=1e-2)
