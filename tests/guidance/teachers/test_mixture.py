from typing import get_args

import pytest
import torch
from torch import Tensor

from guidance.teachers.mixture import Mixture
from samplers.prediction import Kind
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, VPCosine, VPLinear

G = torch.Generator().manual_seed(0)
WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
MEANS = torch.randn(3, 2, 2, 2, generator=G, dtype=torch.float64)
VARIANCES = 0.1 + torch.rand(3, 2, 2, 2, generator=G, dtype=torch.float64)
PROMPTS = {"first": [0], "rest": [1, 2]}
X = torch.randn(4, 2, 2, 2, generator=G, dtype=torch.float64)
SCHEDULES = [VPLinear(), VPCosine(), VE(), EDM(), RectifiedFlow()]
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def made(schedule: NoiseSchedule, kind: Kind = "eps") -> Mixture:
    return Mixture(schedule, WEIGHTS, MEANS, VARIANCES, PROMPTS, kind)


def log_density(schedule: NoiseSchedule, x: Tensor, t: float, chosen: list[int]) -> Tensor:
    """Log of the noised mixture at x (b, ...), through torch's own distributions."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    spread = (alpha**2 * VARIANCES[chosen] + sigma**2).sqrt()
    parts = torch.distributions.Independent(torch.distributions.Normal(alpha * MEANS[chosen], spread), 3)
    picks = torch.distributions.Categorical(WEIGHTS[chosen])
    return torch.distributions.MixtureSameFamily(picks, parts).log_prob(x)


@each_schedule
@pytest.mark.parametrize(("prompt", "chosen"), [("", [0, 1, 2]), ("first", [0]), ("rest", [1, 2])])
def test_score_is_the_gradient_of_the_log_density(schedule: NoiseSchedule, prompt: str, chosen: list[int]):
    teacher = made(schedule)
    for t in (0.05, 0.4, 0.9):
        x = X.clone().requires_grad_()
        (score,) = torch.autograd.grad(log_density(schedule, x, t, chosen).sum(), x)
        found = teacher(X, torch.tensor(t, dtype=torch.float64), teacher.embed([prompt] * 4))
        torch.testing.assert_close(found.score, score, rtol=1e-8, atol=1e-10)


@each_schedule
def test_x0_and_its_variance_are_those_of_the_posterior(schedule: NoiseSchedule):
    """By quadrature over x0, in one dimension."""
    one = Mixture(schedule, WEIGHTS, MEANS[:, :1, :1, :1], VARIANCES[:, :1, :1, :1])
    t, x = 0.3, torch.tensor([[[[0.7]]]], dtype=torch.float64)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x0 = torch.linspace(-12, 12, 400001, dtype=torch.float64)[:, None]
    prior = WEIGHTS * torch.distributions.Normal(one.means.flatten(), one.variances.flatten().sqrt()).log_prob(x0).exp()
    joint = prior.sum(1) * (-0.5 * ((x.flatten() - alpha * x0[:, 0]) / sigma) ** 2).exp()
    expected = (joint * x0[:, 0]).sum() / joint.sum()
    found = one(x, torch.tensor(t, dtype=torch.float64), one.embed([""]))
    torch.testing.assert_close(found.x0.squeeze(), expected, rtol=1e-8, atol=1e-10)
    spread = (joint * (x0[:, 0] - expected) ** 2).sum() / joint.sum()
    assert found.var is not None
    torch.testing.assert_close(found.var.squeeze(), spread, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_kinds_agree(kind: Kind):
    t = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
    found = made(RectifiedFlow(), kind)(X, t, made(RectifiedFlow()).embed([""] * 4))
    assert found.kind == kind
    expected = made(RectifiedFlow())(X, t, made(RectifiedFlow()).embed([""] * 4))
    for reading in get_args(Kind):
        torch.testing.assert_close(found.read(reading), expected.read(reading), rtol=1e-9, atol=1e-9)


@each_schedule
def test_both_ends_are_finite(schedule: NoiseSchedule):
    x0 = made(schedule, "x0")
    everything = x0.embed([""] * 4)
    assert torch.equal(made(schedule, "eps")(X, torch.tensor(0.0), everything).value, torch.zeros_like(X))
    torch.testing.assert_close(x0(X, torch.tensor(0.0), everything).value, X, rtol=1e-12, atol=1e-12)
    prior = (WEIGHTS.view(-1, 1, 1, 1) * MEANS).sum(0)
    if schedule.alpha(1.0) == 0:
        torch.testing.assert_close(x0(X, torch.tensor(1.0), everything).value, prior.expand_as(X), rtol=1e-6, atol=1e-6)


def test_weights_need_no_sum_and_variances_broadcast():
    t = torch.tensor(0.5)
    scaled = Mixture(VPLinear(), 7 * WEIGHTS, MEANS, VARIANCES)
    cond = scaled.embed([""] * 4)
    torch.testing.assert_close(scaled(X, t, cond).x0, made(VPLinear())(X, t, cond).x0, rtol=1e-12, atol=1e-12)
    isotropic = Mixture(VPLinear(), WEIGHTS, MEANS, torch.tensor([0.1, 0.2, 0.3]).double().view(3, 1, 1, 1))
    assert isotropic(X, t, cond).x0.shape == X.shape


def test_pictures_go_to_the_networks_range_and_back():
    pictures = torch.rand(2, 3, 4, 4, generator=G)
    teacher = made(VPLinear())
    assert float(teacher.encode(torch.ones(1))) == 1
    assert float(teacher.encode(torch.zeros(1))) == -1
    torch.testing.assert_close(teacher.decode(teacher.encode(pictures)), pictures)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="no prompt 'third'; known: first, rest"):
        made(VPLinear()).embed(["third"])
    with pytest.raises(ValueError, match="positive"):
        Mixture(VPLinear(), WEIGHTS, MEANS, 0 * VARIANCES)
    with pytest.raises(ValueError, match=r"weights \(K,\)"):
        Mixture(VPLinear(), WEIGHTS[:2], MEANS, VARIANCES)
