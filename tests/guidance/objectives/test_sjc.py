import pytest
import torch

from guidance.objective import draw_noise
from guidance.objectives.sds import SDS
from guidance.objectives.sjc import SJC
from samplers.schedule import EDM, RectifiedFlow, VPLinear
from tests.guidance.pair import MEAN_C, SHAPE, SPREAD, guided

G = torch.Generator().manual_seed(5)
X = torch.randn(2, *SHAPE, generator=G, dtype=torch.float64)
T = torch.tensor([0.01, 0.02], dtype=torch.float64)
each_schedule = pytest.mark.parametrize(
    "schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__
)


@each_schedule
@pytest.mark.parametrize("centered", [True, False])
def test_closed_form_on_a_gaussian(schedule, centered: bool):
    """-rho times the mean over n of (D - x) / rho^2, with D = mean + l (x + rho n - mean) / (l + rho^2)."""
    objective = SJC(draws=3, centered=centered)
    noise = draw_noise(objective, X, torch.Generator().manual_seed(0))
    alpha, sigma = schedule.coefficients(T, X)
    rho = sigma / alpha
    seen = X + rho * noise
    denoised = MEAN_C + SPREAD / (SPREAD + rho**2) * (seen - MEAN_C)
    expected = (((X if centered else seen) - denoised) / rho).mean(0)
    found = objective(X, guided(1.0, schedule=schedule), T, noise).grad
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(found, expected / rho, rtol=1e-2)  # the score itself, without rho
    assert not torch.allclose(found, -expected, rtol=1e-2)


@each_schedule
def test_average_over_noise_is_the_smoothed_score(schedule):
    """Both forms tend to rho (x - mean) / (l + rho^2) = -rho times the score of the data smoothed by rho."""
    _, sigma = schedule.coefficients(T, X)
    rho = sigma / schedule.coefficients(T, X)[0]
    expected = rho * (X - MEAN_C) / (SPREAD + rho**2)
    errors = {}
    for centered in (True, False):
        objective = SJC(draws=400, centered=centered)
        noise = draw_noise(objective, X, torch.Generator().manual_seed(0))
        errors[centered] = objective(X, guided(1.0, schedule=schedule), T, noise).grad - expected
    assert float(errors[False].abs().max()) < 0.2
    assert float(errors[True].abs().max()) < 0.2


@pytest.mark.parametrize("time", [0.05, 0.9])
def test_variance_of_both_forms(time: float):
    """On N(mean, l) the noise n enters the plain form as (sigma^2 / v) n and the centered one as -(alpha^2 l / v) n:
    centering pays where the noise exceeds the data's spread, and costs below."""
    t = torch.full((2,), time, dtype=torch.float64)
    alpha, sigma = (float(c) for c in (VPLinear().alpha(time), VPLinear().sigma(time)))
    v = alpha**2 * SPREAD + sigma**2
    draws = torch.randn(200, 1, *X.shape, generator=G, dtype=torch.float64)
    for centered, share in ((False, sigma**2 / v), (True, alpha**2 * SPREAD / v)):
        grads = torch.stack([SJC(centered=centered)(X, guided(1.0), t, n).grad for n in draws])
        assert float(grads.var(0).mean()) == pytest.approx(share**2, rel=0.1)


def test_one_centered_draw_is_the_unweighted_sds_residual():
    noise = torch.randn(1, *X.shape, generator=G, dtype=torch.float64)
    _, sigma = VPLinear().coefficients(T, X)
    sds = SDS()(X, guided(5.0), T, noise).grad / sigma**2
    torch.testing.assert_close(SJC()(X, guided(5.0), T, noise).grad, sds, rtol=1e-6, atol=1e-6)


def test_no_draws_is_named():
    with pytest.raises(ValueError, match="at least one draw"):
        SJC(draws=0)
