import pytest
import torch
from torch import nn

from distill.checkpoint import CheckpointError
from distill.students import EMA


def constant(value: float) -> nn.Module:
    model = nn.Linear(3, 2)
    for p in model.parameters():
        nn.init.constant_(p, value)
    return model


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_the_distance_halves_every_half_life_whatever_the_batch(batch):
    average = EMA(constant(0.0), half_life=100)
    for _ in range(200 // batch):
        average.update(constant(1.0), batch)
    assert torch.allclose(average.model.weight, torch.full((2, 3), 0.75), atol=1e-5)


def test_a_decay_per_step_would_not_pass():
    """The wrong variant: the same decay for every batch size."""
    average = EMA(constant(0.0), half_life=100)
    for _ in range(50):
        average.update(constant(1.0), samples=1)
    assert not torch.allclose(average.model.weight, torch.full((2, 3), 0.75), atol=1e-2)


def test_it_is_a_frozen_copy():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = EMA(model, 10)
    assert not average.model.training
    assert not any(p.requires_grad for p in average.model.parameters())
    model(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    average.update(model, 10)
    assert torch.equal(average.model[1].running_mean, model[1].running_mean)
    assert torch.equal(average.model[1].num_batches_tracked, model[1].num_batches_tracked)


def test_state_round_trip_is_strict():
    average, other = EMA(constant(1.0), 10), EMA(constant(0.0), 10)
    other.load_state_dict(average.state_dict())
    assert torch.equal(other.model.weight, average.model.weight)
    with pytest.raises(CheckpointError, match="misses model"):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict({"model": nn.Linear(4, 2).state_dict()})


def test_a_half_life_must_be_positive():
    with pytest.raises(ValueError, match="positive number of samples, got 0"):
        EMA(constant(0.0), 0)
