import pytest
import torch

from samplers.methods.pf_rk45 import ProbabilityFlowRK45
from samplers.schedule import EDM, RectifiedFlow, VPLinear
from samplers.types import last
from tests.samplers.exact import starts
from tests.samplers.started import exact, on_path


@pytest.mark.parametrize("schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_tolerance_is_kept(schedule):
    grid = torch.tensor([0.95, 0.02], dtype=torch.float64)
    x = starts(schedule, 0.95)
    errors = []
    for tolerance in (1e-4, 1e-7):
        sampler = ProbabilityFlowRK45(rtol=tolerance, atol=tolerance)
        found = last(sampler(exact(schedule), schedule, x, grid))
        errors.append(float((found - on_path(schedule, 0.95, 0.02)).abs().max()))
    assert errors[0] < 5e-3
    assert errors[1] < 5e-6 < errors[0]


def test_impossible_tolerances_are_named():
    with pytest.raises(ValueError, match="positive tolerances"):
        ProbabilityFlowRK45(rtol=0.0)
