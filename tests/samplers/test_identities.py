"""Samplers that are one: equal to 1e-12 in float64 on the exact mixture, on every path."""

from math import expm1

import numpy as np
import pytest
import torch
from torch import Tensor

from samplers.adams import polynomial_weights
from samplers.grids import to_clean, uniform_lam, uniform_t
from samplers.methods.ddim import DDIM
from samplers.methods.ddpm import DDPM
from samplers.methods.deis import DEIS
from samplers.methods.dpm_solver import DPMSolver
from samplers.methods.dpm_solver_fast import DPMSolverFast
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.dpmpp_sde import SDEDPMSolverPP
from samplers.methods.edm import EDM as EDMHeun
from samplers.methods.edm_euler import EDMEuler
from samplers.methods.euler_maruyama import EulerMaruyama
from samplers.methods.heun import Heun
from samplers.methods.ipndm import IPNDM
from samplers.methods.pf_ode import ProbabilityFlow
from samplers.methods.plms import PLMS
from samplers.methods.splitting import Splitting
from samplers.methods.unipc import UniPC
from samplers.noise import brownian
from samplers.prediction import Prediction
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from samplers.types import Sampler, last
from tests.samplers.exact import SCHEDULES
from tests.samplers.started import exact

START = torch.linspace(-1.5, 1.5, 6, dtype=torch.float64).view(-1, 1, 1, 1)

ONE_STEP = [
    DPMSolver(stages=1),
    DPMSolver(stages=1, multistep=True),
    DPMSolverPP(memory=1),
    DPMSolverPP(memory=1, singlestep=True),
    DPMSolverFast(stages=1),
    SDEDPMSolverPP(memory=1, eta=0.0),
    DEIS(memory=1, axis="t"),
    DEIS(memory=1, axis="rho"),
    DEIS(memory=1, axis="rho_rk"),
    IPNDM(memory=1),
    UniPC(p=1, corrector=False),
    EDMEuler(),
]
SAME = [
    *((DDIM(), other) for other in ONE_STEP),
    (DEIS(memory=2, axis="log_rho"), DPMSolver(stages=2, form="exact", multistep=True)),
    (DEIS(memory=3, axis="log_rho"), DPMSolver(stages=3, form="exact", multistep=True)),
    (DEIS(memory=3, axis="log_rho"), UniPC(p=3, form="vary", of="eps", corrector=False)),
    (DPMSolverPP(), UniPC(p=2, form="bh2", corrector=False)),
    (DPMSolverPP(memory=3, form="exact"), UniPC(p=3, form="vary", corrector=False)),
    (DPMSolverPP(memory=3), SDEDPMSolverPP(memory=3, eta=0.0)),
    (Heun(), EDMHeun()),
    (Heun(), DEIS(memory=2, axis="rho_rk")),
]
UNLIKE = [
    (DPMSolverPP(), DPMSolver(stages=2, multistep=True)),
    (UniPC(p=2, form="bh1", corrector=False), UniPC(p=2, form="bh2", corrector=False)),
    (DPMSolverPP(memory=3), DPMSolverPP(memory=3, published=True)),
    (UniPC(form="vary"), UniPC(form="vary", published=True)),
    (PLMS(), IPNDM()),
]


def named(pair: tuple[Sampler, Sampler]) -> str:
    return "-".join(type(one).__name__ for one in pair)


def run(sampler: Sampler, schedule: NoiseSchedule, grid: Tensor | None = None) -> Tensor:
    if grid is None:
        grid = to_clean(uniform_lam(schedule, 8, start=0.95, end=float(schedule.t_of_lam(1.5))))
    x = START * schedule.sigma(grid[0])
    return last(sampler(exact(schedule), schedule, x, grid, noise=brownian(5)))


@pytest.mark.parametrize("pair", SAME, ids=named)
def test_equal(pair: tuple[Sampler, Sampler]):
    for schedule in SCHEDULES:
        one, other = (run(sampler, schedule) for sampler in pair)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pair", UNLIKE, ids=named)
def test_unlike(pair: tuple[Sampler, Sampler]):
    """So the equalities above are none of samplers that all say the same."""
    one, other = (run(sampler, VPLinear()) for sampler in pair)
    assert float((one - other).abs().max()) > 1e-4


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_ancestral_sampling_has_many_names(schedule: NoiseSchedule):
    found = [run(sampler, schedule) for sampler in (DDIM(eta=1.0), DDPM(), SDEDPMSolverPP(memory=1))]
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[0], found[2], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(found[0], run(DDPM("large"), schedule), atol=1e-2)


@pytest.mark.parametrize("schedule", [EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_euler_in_t_is_ddim_where_the_path_is_straight(schedule: NoiseSchedule):
    torch.testing.assert_close(run(ProbabilityFlow(), schedule), run(DDIM(), schedule), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(run(ProbabilityFlow(), VPLinear()), run(DDIM(), VPLinear()), atol=1e-3)


@pytest.mark.parametrize("p", [1, 2, 3, 4])
@pytest.mark.parametrize("corrector", [False, True])
def test_b_cancels_where_unipc_solves_for_its_weights(p: int, corrector: bool):
    """The linear system of the paper, with either B(h), gives the integrals of the Lagrange basis."""
    h, past = 0.6, [0.0, -0.5, -0.9, -1.6][:p]
    nodes = np.array([*past[1:], *([h] if corrector else [])])
    if not len(nodes):
        return
    r, k = nodes / h, len(nodes)
    phi, factorial = (expm1(-h) / -h - 1), 1
    right = []
    for i in range(1, k + 1):
        right.append(phi * factorial)
        factorial *= i + 1
        phi = phi / -h - 1 / factorial
    for b in (-h, expm1(-h)):
        rho = np.linalg.solve(np.stack([r**i for i in range(k)]), np.array(right) / b)
        weights = -b * rho / r
        expected = polynomial_weights([0.0, *nodes.tolist()], 0.0, h)[1:]
        assert weights == pytest.approx(expected, rel=1e-10, abs=1e-13)


class Sides:
    """Two Gaussians' denoisers and their mix."""

    def __init__(self, schedule: NoiseSchedule, scale: float, apart: float) -> None:
        self.schedule, self.scale, self.apart = schedule, scale, apart

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        alpha, sigma = self.schedule.coefficients(t, x_t)
        return tuple(  # pyright: ignore
            Prediction((x_t - alpha * mean) * sigma / (alpha**2 / 4 + sigma**2), "eps", x_t, alpha, sigma)
            for mean in (0.0, self.apart)
        )

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        null, cond = self.parts(x_t, t)
        return null.mix(cond, self.scale)


@pytest.mark.parametrize("form", ["ltsp", "stsp"])
def test_splitting_without_guidance_is_ddim_and_with_it_converges_to_the_guided_flow(form):
    schedule = VPLinear()
    grid = uniform_lam(schedule, 8, start=0.95, end=0.05)
    same = Sides(schedule, 4.0, 0.0)
    one, ddim = (last(s(same, schedule, START, grid)) for s in (Splitting(form, memory=1), DDIM()))
    torch.testing.assert_close(one, ddim, rtol=1e-12, atol=1e-12)
    fine, guided = uniform_lam(schedule, 160, start=0.95, end=0.05), Sides(schedule, 4.0, 0.5)
    exact_flow = last(Heun()(guided, schedule, START, fine))
    torch.testing.assert_close(last(Splitting(form)(guided, schedule, START, fine)), exact_flow, rtol=0, atol=0.05)
    assert not torch.allclose(last(Heun()(same, schedule, START, fine)), exact_flow, atol=0.3)


def test_splitting_refuses_what_it_cannot_split():
    schedule = VPLinear()

    def plain(x_t: Tensor, t: Tensor) -> Prediction:
        return exact(schedule)(x_t, t)

    with pytest.raises(ValueError, match="two sides"):
        last(Splitting()(plain, schedule, START, uniform_t(3)))


@pytest.mark.parametrize("sampler", [DDPM(), SDEDPMSolverPP(), EulerMaruyama()], ids=lambda s: type(s).__name__)
def test_one_brownian_path_at_different_step_counts(sampler: Sampler):
    """Keyed by interval, noise is the same path refined: 32 and 64 steps land close to each other, seeds do not."""

    def landed(steps: int, seed: int) -> Tensor:
        grid = uniform_t(steps, end=0.02)
        return last(sampler(exact(VPLinear()), VPLinear(), START, grid, noise=brownian(seed)))

    coarse, fine, other = landed(32, 1), landed(64, 1), landed(64, 2)
    assert float((coarse - fine).square().mean()) < 0.35 * float((fine - other).square().mean())
