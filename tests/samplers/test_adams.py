from math import exp

import pytest
import torch

from samplers.adams import Seen, adams, polynomial_weights, transfer
from samplers.grids import nodes
from samplers.schedule import RectifiedFlow, VPLinear

S, T = nodes(VPLinear(), torch.tensor([0.6, 0.5]))
BEFORE = nodes(VPLinear(), torch.tensor([0.7, 0.1]))[0]


def test_weights_in_closed_form():
    """Order 2: the integral of e^(lam - end) (lam - start) is h - (1 - e^-h)."""
    h, h0 = 0.7, 0.4
    slope = (h - (1 - exp(-h))) / h0
    weights = polynomial_weights([0.0, -h0], 0.0, h)
    assert weights == pytest.approx([1 - exp(-h) + slope, -slope], rel=1e-13)


@pytest.mark.parametrize("h", [1e-6, 1e-3, 1.0, 12.0])
def test_weights_integrate_cubics_exactly_on_short_and_long_steps(h: float):
    past = [0.0, -0.3 * h, -0.9 * h, -1.4 * h]
    weights = polynomial_weights(past, 0.0, h)
    for power in range(4):
        found = sum(w * (p / h) ** power for w, p in zip(weights, past, strict=True))
        u = torch.linspace(0, 1, 200001, dtype=torch.float64)
        assert found == pytest.approx(float(torch.trapezoid((h * (u - 1)).exp() * u**power, u)) * h, rel=1e-8)


def test_exact_where_the_denoised_sample_is_linear_in_lam():
    def x0(lam: float) -> torch.Tensor:
        return torch.tensor([0.3 + 0.2 * lam], dtype=torch.float64)

    x = torch.tensor([0.4], dtype=torch.float64)
    fine = torch.linspace(S.lam, T.lam, 200001, dtype=torch.float64)
    exact = T.sigma / S.sigma * x + T.sigma * torch.trapezoid(fine.exp() * (0.3 + 0.2 * fine), fine)
    history = [Seen(S, x0(S.lam), x0(S.lam)), Seen(BEFORE, x0(BEFORE.lam), x0(BEFORE.lam))]
    torch.testing.assert_close(adams(x, history, T), exact, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(adams(x, history[:1], T), exact, rtol=1e-4)


def test_infinite_log_snr_drops_to_order_one():
    start, middle, end = nodes(RectifiedFlow(), torch.tensor([1.0, 0.5, 0.0]))
    x, newest, oldest = torch.tensor([0.4]), torch.tensor([0.1]), torch.tensor([9.0])
    latest, first = Seen(middle, newest, newest), Seen(start, oldest, oldest)
    t = nodes(RectifiedFlow(), torch.tensor([0.5, 0.2]))[1]
    assert torch.equal(adams(x, [latest, first], t), transfer(x, newest, middle, t))
    assert torch.equal(adams(x, [latest, Seen(S, oldest, oldest)], end), newest)
