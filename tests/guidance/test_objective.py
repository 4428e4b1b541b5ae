import pytest
import torch

from guidance import objectives
from guidance.objective import Direction, as_loss, draw_noise
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from tests.guidance.pair import SHAPE, guided

G = torch.Generator().manual_seed(2)
X = torch.randn(4, *SHAPE, generator=G, dtype=torch.float64)
T = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)
NAMES = objectives.names()


def test_every_file_is_collected():
    assert NAMES == ["csd", "sds", "sjc"]
    with pytest.raises(ValueError, match="csd, sds, sjc"):
        objectives.load("vsd")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("schedule", [VPLinear(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_contract(name: str, schedule: NoiseSchedule):
    """Pure, finite, of x's shape and dtype, free of any graph; no teacher is differentiated."""
    objective = objectives.load(name)()
    g = guided(5.0, schedule=schedule)
    x = X.clone().requires_grad_()
    noise = draw_noise(objective, x, torch.Generator().manual_seed(3))
    assert noise.shape == (objective.draws, *x.shape)
    one, two = (objective(x, g, T, noise) for _ in range(2))
    assert torch.equal(one.grad, two.grad)
    assert one.grad.shape == x.shape
    assert one.grad.dtype == x.dtype
    assert not one.grad.requires_grad
    assert bool(one.grad.isfinite().all())
    assert one.log
    assert all(value.ndim == 0 and bool(value.isfinite()) for value in one.log.values())


def test_loss_has_exactly_the_gradient():
    grad = torch.randn(4, *SHAPE, generator=G, dtype=torch.float64)
    x = X.clone().requires_grad_()
    as_loss(x, Direction(grad, {})).backward()
    torch.testing.assert_close(x.grad, grad * (16384 / X.numel()), rtol=1e-15, atol=0)


def test_a_view_counts_the_same_at_every_resolution_and_a_batch_is_a_mean():
    """The derivative of one parameter that moves every pixel alike."""

    def derivative(views: int, size: int) -> float:
        shift = torch.zeros((), requires_grad=True)
        x = torch.zeros(views, 3, size, size) + shift
        as_loss(x, Direction(torch.full_like(x, 0.5), {})).backward()
        assert shift.grad is not None
        return float(shift.grad)

    for views, size in ((1, 8), (1, 64), (8, 64)):
        assert derivative(views, size) == pytest.approx(0.5 * 16384, rel=1e-6)
    # the plain sum and the plain mean both fail this
    assert (torch.full((1, 3, 8, 8), 0.5).sum() - torch.full((1, 3, 64, 64), 0.5).sum()).abs() > 1


def test_the_gradient_reaches_what_made_the_picture():
    weights = torch.randn(7, X[0].numel(), generator=G, dtype=torch.float64)
    theta = torch.randn(4, 7, generator=G, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(4, *SHAPE, generator=G, dtype=torch.float64)
    as_loss((theta @ weights).view(4, *SHAPE), Direction(grad, {})).backward()
    torch.testing.assert_close(theta.grad, grad.flatten(1) @ weights.T * (16384 / X.numel()), rtol=1e-12, atol=0)
