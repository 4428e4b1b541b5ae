import pytest
import torch
from scipy.linalg import sqrtm

from distill.frechet import frechet_distance

G = torch.Generator().manual_seed(0)


def features(count: int, mix: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Features whose sample mean and covariance are exactly `mean` and mix mix^T."""
    z = torch.randn(count, len(mean), generator=G, dtype=torch.float64)
    z = z - z.mean(0)
    white = z @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(z.T))).T
    return white @ mix.T + mean


def test_equals_the_formula_with_scipys_root():
    mixes, means = torch.randn(2, 5, 5, generator=G).double(), torch.randn(2, 5, generator=G).double()
    found = frechet_distance(features(40, mixes[0], means[0]), features(60, mixes[1], means[1]))
    first, second = (m @ m.T for m in mixes)
    cross = torch.from_numpy(sqrtm((first @ second).numpy()).real).trace()
    exact = (means[0] - means[1]).square().sum() + first.trace() + second.trace() - 2 * cross
    assert found == pytest.approx(float(exact), rel=1e-8)


def test_closed_forms():
    one, wide = torch.eye(3, dtype=torch.float64), torch.diag(torch.tensor([2.0, 3.0, 0.5], dtype=torch.float64))
    zero, moved = torch.zeros(3, dtype=torch.float64), torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    same = features(50, wide, moved)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(features(50, one, zero), features(50, one, moved)) == pytest.approx(9, rel=1e-9)
    assert frechet_distance(features(50, one, zero), features(50, wide, zero)) == pytest.approx(1 + 4 + 0.25, rel=1e-9)


def test_fewer_rows_than_features_is_fine_and_mistakes_are_named():
    few = torch.randn(4, 30, generator=G)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    for wrong in (torch.zeros(1, 3), torch.zeros(5, 4), torch.zeros(5)):
        with pytest.raises(ValueError, match="two rows or more"):
            frechet_distance(torch.zeros(5, 3), wrong)
