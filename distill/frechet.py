"""Frechet distance of two sets of features (Heusel et al. 2017, 1706.08500, eq 6; Dowson and Landau 1982)."""

import torch
from torch import Tensor


def frechet_distance(found: Tensor, true: Tensor) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the Gaussians fitted to features (n, d) and (m, d), in float64.

    Never negative. It is biased upward by about d / n times the spread, so compare equal n only. ValueError where there
    are fewer than two rows, or the widths differ.
    """
    if found.ndim != 2 or true.ndim != 2 or found.shape[1] != true.shape[1] or min(len(found), len(true)) < 2:
        raise ValueError(f"features must be (n, d) and (m, d) of two rows or more, got {found.shape} and {true.shape}")
    (mean1, cov1), (mean2, cov2) = (_fitted(x.detach().cpu().double()) for x in (found, true))
    root = _root(cov1)
    # tr (S1 S2)^(1/2) is the sum of roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric.
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp_min(0).sqrt().sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross
    return max(0.0, float(distance))


def _fitted(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean(0), torch.cov(features.T).reshape(features.shape[1], features.shape[1])


def _root(symmetric: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
