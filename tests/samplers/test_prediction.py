from typing import get_args

import pytest
import torch

from samplers.prediction import Kind, Prediction

KINDS: tuple[Kind, ...] = get_args(Kind)
G = torch.Generator().manual_seed(0)
X0, EPS, OTHER = torch.randn(3, 2, 2, 4, 4, generator=G, dtype=torch.float64)
COEFFICIENTS = [(0.8, 0.6), (1.0, 7.0), (0.3, 0.7)]  # VP, VE, rectified flow


def truth(kind: Kind, alpha: float, sigma: float, x0=X0, eps=EPS):
    return {
        "x0": x0,
        "eps": eps,
        "v": alpha * eps - sigma * x0,
        "flow": eps - x0,
        "score": -eps / sigma,
    }[kind]


def prediction(kind: Kind, alpha: float, sigma: float, x0=X0, eps=EPS) -> Prediction:
    a, s = torch.tensor(alpha, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64)
    return Prediction(truth(kind, alpha, sigma, x0, eps), kind, alpha * x0 + sigma * eps, a, s)


@pytest.mark.parametrize(("alpha", "sigma"), COEFFICIENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_as_every_other(kind: Kind, alpha: float, sigma: float):
    known = prediction(kind, alpha, sigma)
    for reading in KINDS:
        torch.testing.assert_close(known.read(reading), truth(reading, alpha, sigma), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_own_kind_is_read_without_division(kind: Kind):
    value = torch.randn(2, 3)
    zero = torch.zeros(())
    assert Prediction(value, kind, torch.zeros(2, 3), zero, zero).read(kind) is value


def test_ends_of_a_schedule_stay_finite_where_the_output_determines_the_reading():
    x = torch.ones(1, 2)
    one, zero = torch.ones(()), torch.zeros(())
    for kind in ("v", "flow"):
        noise_end = Prediction(x, kind, 2 * x, zero, one)
        clean_end = Prediction(x, kind, 2 * x, one, zero)
        assert bool(noise_end.x0.isfinite().all() and clean_end.eps.isfinite().all())
        assert torch.equal(noise_end.eps, 2 * x)
        assert torch.equal(clean_end.x0, 2 * x)
    assert torch.equal(Prediction(x, "eps", 2 * x, one, zero).x0, 2 * x)
    assert torch.equal(Prediction(x, "x0", 2 * x, zero, one).eps, 2 * x)


@pytest.mark.parametrize(("alpha", "sigma"), COEFFICIENTS)
def test_mix_is_the_same_in_every_kind(alpha: float, sigma: float):
    x_t = alpha * X0 + sigma * EPS
    second_eps = (x_t - alpha * OTHER) / sigma  # another prediction at the same x_t
    expected = X0 + 3.5 * (OTHER - X0)
    for first in KINDS:
        for second in KINDS:
            mixed = prediction(first, alpha, sigma).mix(prediction(second, alpha, sigma, OTHER, second_eps), 3.5)
            assert mixed.kind == first
            torch.testing.assert_close(mixed.x0, expected, rtol=1e-11, atol=1e-11)


def test_mix_takes_one_weight_a_sample_and_the_variance_of_the_other():
    one = prediction("eps", 0.8, 0.6)
    other = Prediction(OTHER, "eps", one.x_t, one.alpha, one.sigma, var=torch.ones_like(OTHER))
    mixed = one.mix(other, torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1))
    assert torch.equal(mixed.value[0], EPS[0])
    torch.testing.assert_close(mixed.value[1], OTHER[1], rtol=1e-14, atol=1e-14)
    assert mixed.var is other.var
