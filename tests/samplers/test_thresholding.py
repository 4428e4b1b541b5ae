import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from samplers.grids import uniform_t
from samplers.methods.ddim import DDIM
from samplers.prediction import Prediction
from samplers.schedule import RectifiedFlow, VPLinear
from samplers.thresholding import DynamicThreshold, StaticThreshold
from samplers.types import Denoiser, last

X0 = 1.5 * torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = torch.tensor(0.4, dtype=torch.float64)


def knows(x0: Tensor, schedule=None) -> Denoiser:
    """A network that says v for an x0 that it knows."""
    schedule = schedule or VPLinear()

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = schedule.coefficients(t, x_t)
        seen = Prediction(x0.to(x_t), "x0", x_t, alpha, sigma)
        return Prediction(seen.v, "v", x_t, alpha, sigma, x0.square())

    return denoise


def test_static_keeps_the_range_and_every_reading_agrees():
    x_t = torch.zeros_like(X0)
    found = StaticThreshold(knows(X0), -1.0, 0.5)(x_t, T)
    torch.testing.assert_close(found.x0, X0.clamp(-1, 0.5))
    alpha, sigma = VPLinear().coefficients(T, X0)
    torch.testing.assert_close(alpha * found.x0 + sigma * found.eps, x_t, rtol=0, atol=1e-12)
    assert torch.equal(found.var, X0.square())  # type: ignore[arg-type]
    inside = StaticThreshold(knows(X0 / 10))(x_t, T)
    torch.testing.assert_close(inside.eps, knows(X0 / 10)(x_t, T).eps, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("share", "ceiling"), [(0.995, 1.0), (0.9, 1.5), (0.5, 10.0)])
def test_dynamic_equals_diffusers(share: float, ceiling: float):
    theirs = DDPMScheduler(thresholding=True, dynamic_thresholding_ratio=share, sample_max_value=ceiling)
    found = DynamicThreshold(knows(X0), share, ceiling)(torch.zeros_like(X0), T).x0
    torch.testing.assert_close(found, theirs._threshold_sample(X0), rtol=1e-9, atol=1e-12)


def test_dynamic_is_by_sample_and_leaves_small_ones_alone():
    scales = torch.tensor([0.2, 1.0, 4.0], dtype=torch.float64).view(3, 1, 1, 1)
    x0 = X0 / X0.flatten(1).abs().amax(1).view(3, 1, 1, 1) * scales
    found = DynamicThreshold(knows(x0), share=1.0)(torch.zeros_like(x0), T).x0
    torch.testing.assert_close(found, x0 / scales.clamp_min(1), rtol=1e-9, atol=1e-12)
    assert not torch.allclose(found[2], StaticThreshold(knows(x0))(torch.zeros_like(x0), T).x0[2], atol=0.1)


@pytest.mark.parametrize("wrap", [StaticThreshold, DynamicThreshold])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_samples_stay_in_range_on_a_path_that_starts_in_pure_noise(wrap, dtype):
    x = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(1)).to(dtype)
    schedule = RectifiedFlow()
    found = last(DDIM()(wrap(knows(3 * X0, schedule)), schedule, x, uniform_t(4)))
    assert found.dtype == dtype
    assert float(found.abs().max()) <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: StaticThreshold(d, 1.0, -1.0), "low < high, got 1.0 and -1.0"),
        (lambda d: DynamicThreshold(d, share=0.0), "at most 1, got 0.0"),
        (lambda d: DynamicThreshold(d, share=99.5), "at most 1, got 99.5"),
        (lambda d: DynamicThreshold(d, ceiling=0.5), "at least 1, got 0.5"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(knows(X0))
