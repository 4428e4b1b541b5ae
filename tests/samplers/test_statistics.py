import json
from math import exp

import pytest
import torch

from samplers.schedule import EDM, RectifiedFlow, VPLinear
from samplers.statistics import DenoisingStatistics, estimate
from tests.samplers.exact import gaussian

LEVELS = (-4.0, -1.0, 0.0, 1.0, 3.0)


def data(count: int, variance: float, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.3 + variance**0.5 * noise


@pytest.mark.parametrize("schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("kind", ["x0", "v"])
def test_estimates_of_an_exact_gaussian_are_the_closed_form(schedule, kind):
    law = gaussian(schedule, 0.3, 0.25, kind)
    batches = [(law, data(40, 0.25, seed)) for seed in (1, 2)]
    found = estimate(batches, schedule, torch.Generator().manual_seed(0), LEVELS)
    exact = DenoisingStatistics.of_gaussian(0.25, LEVELS)
    assert found.lam == LEVELS
    assert found.gamma == pytest.approx(exact.gamma, rel=0.03)
    assert found.error == pytest.approx(exact.error, rel=0.03)


def test_the_error_is_precise_where_one_minus_gamma_is_not():
    """Near pure noise the published difference is lost in the estimate's own noise."""
    law, exact = gaussian(VPLinear(), 0.3, 0.25), DenoisingStatistics.of_gaussian(0.25, (-4.5,))
    found = estimate([(law, data(40, 0.25))], VPLinear(), torch.Generator().manual_seed(0), (-4.5,))
    assert found.error[0] == pytest.approx(exact.error[0], rel=0.05)
    assert exp(9.0) * (1 - found.gamma[0]) != pytest.approx(exact.error[0], rel=3)


def test_of_a_teacher_that_is_wrong_it_is_the_error_that_counts():
    """A mean that is off by b: the best variance around it is the variance of x0 plus b^2."""
    found = estimate([(gaussian(EDM(), 0.8, 1e-6), data(40, 0.25))], EDM(), torch.Generator().manual_seed(0), (0.0,))
    assert found.error[0] == pytest.approx(0.25 + 0.5**2, rel=0.03)


def test_levels_past_the_end_of_a_process_are_left_out():
    found = estimate([(gaussian(VPLinear(), 0.3, 0.25), data(2, 0.25))], VPLinear(), torch.Generator(), (-9.0, -3.0))
    assert found.lam == (-3.0,)


def test_between_levels_and_beyond():
    exact = DenoisingStatistics.of_gaussian(0.25)
    for lam in (-7.3, -0.2, 0.61, 4.4):
        point = DenoisingStatistics.of_gaussian(0.25, (lam,))
        assert exact.error_at(lam) == pytest.approx(point.error[0], rel=0.01)
        assert exact.gamma_at(lam) == pytest.approx(point.gamma[0], abs=0.005)
    for k, lam in enumerate(exact.lam):
        assert exact.error_at(lam) == pytest.approx(exact.error[k], rel=1e-14)
    for lam, k in ((float("-inf"), 0), (-99.0, 0), (99.0, -1), (float("inf"), -1)):
        assert (exact.error_at(lam), exact.gamma_at(lam)) == (exact.error[k], exact.gamma[k])
    assert DenoisingStatistics((0.0, 1.0), (1.0, 1.0), (0.0, 0.0)).error_at(0.5) == 0


def test_there_and_back():
    exact = DenoisingStatistics.of_gaussian(0.25)
    assert DenoisingStatistics.from_json(json.loads(json.dumps(exact.to_json()))) == exact


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0, 1.0), (1.0,), (1.0,)), "got 2, 1, 1"),
        (((1.0, 0.0), (1.0, 1.0), (1.0, 1.0)), "rising"),
        (((), (), ()), "got 0, 0, 0"),
        (((0.0,), (-1.0,), (1.0,)), "not negative"),
        (((0.0,), (1.0,), (float("nan"),)), "finite"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DenoisingStatistics(*arguments)
    with pytest.raises(ValueError, match="at least one batch"):
        estimate([], EDM(), torch.Generator(), (0.0,))
