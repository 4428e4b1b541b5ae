"""Settings of the whole suite; they must stand before any of our packages is imported."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle OpenMP threads must not spin against numba's
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from jaxtyping import install_import_hook

from tests.gpu import pytest_runtest_setup
from tests.typecheck import ROOT, checked_modules

__all__ = ["pytest_runtest_setup"]

install_import_hook(checked_modules(), "tests.typecheck.checked")

from distill import recipes

recipes.__path__.append(str(ROOT / "tests" / "toys"))  # so that files can name the toy recipes


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tensors here are tiny: one thread was measured 3.5 times as fast as two. Before every test, because numba's
    OpenMP layer sets torch's number of threads to its own when its first parallel kernel starts."""
    torch.set_num_threads(1)
