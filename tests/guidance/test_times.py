import pytest
import torch

from guidance.times import Times


def test_interval_follows_the_run():
    times = Times(low=0.02, high=0.98, final_high=0.5, anneal=(0.5, 0.75))
    assert times.interval(0.0) == times.interval(0.5) == (0.02, 0.98)
    assert times.interval(0.625) == pytest.approx((0.02, 0.74))
    assert times.interval(0.75) == times.interval(1.0) == pytest.approx((0.02, 0.5))


def test_a_jump_is_an_interval_without_length():
    times = Times(anneal=(0.5, 0.5))
    assert times.interval(0.5) == (0.02, 0.98)
    assert times.interval(0.5001) == (0.02, 0.5)


def test_draws_are_one_in_each_stratum_and_in_random_order():
    times = Times(low=0.1, high=0.9)
    generator = torch.Generator().manual_seed(0)
    orders = set()
    for _ in range(50):
        t = times.draw(8, 0.0, generator)
        assert t.dtype == torch.float64
        strata = ((t - 0.1) / 0.1).floor().long()
        assert sorted(strata.tolist()) == list(range(8))
        orders.add(tuple(strata.tolist()))
    assert len(orders) > 45  # sorted times would tie the noise level to the view


def test_draws_are_uniform():
    t = Times(low=0.1, high=0.9, final_high=0.3).draw(10000, 1.0, torch.Generator().manual_seed(0))
    assert float(t.min()) == pytest.approx(0.1, abs=1e-4)
    assert float(t.max()) == pytest.approx(0.3, abs=1e-4)
    assert float(t.mean()) == pytest.approx(0.2, abs=1e-4)


def test_same_generator_same_times():
    one, two = (Times().draw(4, 0.3, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"final_high": 0.99}, {"high": 1.2}, {"anneal": (0.7, 0.2)}])
def test_mistakes_are_named(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Times(**wrong)
