import pytest
import torch

from distill.times import even_times
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, VPCosine


@pytest.mark.parametrize("schedule", [VPCosine(), VE(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_one_time_in_each_interval_of_log_snr(schedule: NoiseSchedule):
    times = even_times(schedule, 50, torch.Generator().manual_seed(0))
    assert times.dtype == torch.float64
    lam = schedule.lam(times)
    low, high = float(schedule.lam(0.999 if schedule.lam(1.0).isinf() else 1.0)), float(lam.max())
    ranked = ((lam.sort().values - low) / (high - low) * 50).clamp_max(49.999)
    torch.testing.assert_close(ranked, torch.arange(50) + 0.5, rtol=0, atol=1.2, check_dtype=False)
    assert lam.tolist() != lam.sort().values.tolist()
    assert 0.0009 < float((-lam).exp().min()) < 0.04
