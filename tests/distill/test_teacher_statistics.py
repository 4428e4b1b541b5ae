import pytest
import torch

from distill.catalog.oracle import OracleTeacher
from distill.teacher_statistics import teacher_statistics
from guidance.teachers.mixture import Mixture
from samplers.schedule import VPLinear
from samplers.statistics import DenoisingStatistics


def test_a_teacher_without_cameras_is_measured_on_its_own_samples():
    """Of a Gaussian teacher the samples have its variance, so the statistics are the closed form."""
    mean = torch.full((1, 3, 6, 6), 0.2)
    found = teacher_statistics(Mixture(VPLinear(), torch.ones(1), mean, torch.full_like(mean, 0.09)), count=40)
    assert found.lam[-1] == 8
    for lam in (-3.0, 0.0, 2.0):
        exact = DenoisingStatistics.of_gaussian(0.09, (lam,))
        assert found.error_at(lam) == pytest.approx(exact.error[0], rel=0.1)
        assert found.gamma_at(lam) == pytest.approx(exact.gamma[0], rel=0.1)


def test_one_with_cameras_is_measured_on_the_catalog_told_what_it_shows():
    """The oracle that is told the scene knows all but jitter and background; the same seed gives the same figures."""
    found, again = (teacher_statistics(OracleTeacher(8), count=6, seed=1) for _ in range(2))
    assert found == again
    assert found.error_at(-8.0) < 0.6  # a background of variance 1 / 3 and no more than jitter
    assert found.error_at(4.0) < 0.1 * found.error_at(-8.0)
    assert teacher_statistics(OracleTeacher(8), count=6, seed=2) != found
