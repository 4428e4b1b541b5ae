import torch

from guidance.objectives.csd import CSD
from guidance.objectives.sds import SDS
from samplers.schedule import VPLinear
from tests.guidance.pair import MEAN_C, MEAN_U, SHAPE, SPREAD, guided

G = torch.Generator().manual_seed(6)
X = torch.randn(4, *SHAPE, generator=G, dtype=torch.float64)
NOISE = torch.randn(1, 4, *SHAPE, generator=G, dtype=torch.float64)
T = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)


def test_closed_form_on_a_pair_of_gaussians():
    """sigma^2 (eps_c - eps_u) = sigma^3 alpha (mean_u - mean_c) / v, whatever x and the noise are."""
    alpha, sigma = VPLinear().coefficients(T, X)
    expected = sigma**3 * alpha * (MEAN_U - MEAN_C) / (alpha**2 * SPREAD + sigma**2)
    found = CSD()(X, guided(5.0), T, NOISE).grad
    torch.testing.assert_close(found, expected.expand_as(X), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(CSD()(X, guided(5.0), T, -NOISE).grad, found, rtol=1e-8, atol=1e-10)
    assert not torch.allclose(found, -expected, atol=1e-2)


def test_the_scale_and_the_negatives_have_no_say():
    found = CSD()(X, guided(5.0), T, NOISE).grad
    assert torch.equal(CSD()(X, guided(50.0, weight=-1.0), T, NOISE).grad, found)


def test_is_what_sds_gains_by_one_unit_of_scale():
    gain = SDS()(X, guided(6.0), T, NOISE).grad - SDS()(X, guided(5.0), T, NOISE).grad
    torch.testing.assert_close(CSD()(X, guided(5.0), T, NOISE).grad, gain, rtol=1e-8, atol=1e-10)
    assert not torch.allclose(SDS()(X, guided(5.0), T, NOISE).grad, gain, atol=1e-2)
