from math import sqrt

import pytest
import torch

from samplers.noise import brownian, sequential

LIKE = torch.zeros(20000, dtype=torch.float64)


def test_sequential_is_the_generators_stream():
    expected = torch.randn(20000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert torch.equal(sequential(torch.Generator().manual_seed(5))(LIKE, 1.0, 0.5), expected)


@pytest.mark.parametrize(("s", "t"), [(1.0, 0.0), (0.9, 0.3), (0.31, 0.3), (1.0, 1 - 3e-7), (2e-6, 0.0)])
def test_brownian_increments_are_standard_normal(s: float, t: float):
    z = brownian(1)(LIKE, s, t)
    assert float(z.mean()) == pytest.approx(0, abs=0.03)
    assert float(z.var()) == pytest.approx(1, abs=0.04)
    assert float((z**4).mean()) == pytest.approx(3, abs=0.25)


def test_disjoint_intervals_are_independent_and_a_refinement_adds_up():
    noise = brownian(1)
    s, m, t = 0.83, 0.41, 0.17
    whole, first, second = noise(LIKE, s, t), noise(LIKE, s, m), noise(LIKE, m, t)
    torch.testing.assert_close(sqrt(s - m) * first + sqrt(m - t) * second, sqrt(s - t) * whole, rtol=0, atol=1e-12)
    assert float((first * second).mean()) == pytest.approx(0, abs=0.03)
    # noise drawn in sequence has no such path
    drawn = sequential(torch.Generator().manual_seed(0))
    parts = sqrt(s - m) * drawn(LIKE, s, m) + sqrt(m - t) * drawn(LIKE, m, t)
    assert float((parts - sqrt(s - t) * drawn(LIKE, s, t)).abs().max()) > 1


def test_seeds_give_paths_and_the_same_seed_the_same_path():
    assert torch.equal(brownian(1)(LIKE, 0.5, 0.25), brownian(1)(LIKE, 0.5, 0.25))
    assert float((brownian(1)(LIKE, 0.5, 0.25) * brownian(2)(LIKE, 0.5, 0.25)).mean()) == pytest.approx(0, abs=0.03)


def test_too_short_a_step_is_refused():
    with pytest.raises(ValueError, match="too short"):
        brownian(1)(LIKE, 0.4, 0.4 - 1e-9)
