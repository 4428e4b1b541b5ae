"""What every sampler promises, for every file in the folder and every variant it lists. Files are found, not listed."""

from dataclasses import fields, is_dataclass
from functools import lru_cache
from math import log2
from pathlib import Path

import pytest
import torch
from torch import Tensor

import samplers
from samplers import methods
from samplers.grids import to_clean, uniform_lam, uniform_t
from samplers.methods.pf_ode import ProbabilityFlow
from samplers.noise import brownian, sequential
from samplers.prediction import Prediction
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPLinear
from samplers.types import Sampler, last
from tests.samplers.exact import SCHEDULES, starts
from tests.samplers.started import Exact, exact, on_path, path_error, variance_error

FILES = sorted(path.stem for path in Path(methods.__file__).parent.glob("*.py") if path.stem != "__init__")
CASES = [(name, variant) for name in FILES for variant in samplers.load(name).variants()]


def described(name: str, variant: Sampler) -> str:
    """The name and what differs from the default."""
    assert is_dataclass(variant)
    plain = type(variant)()
    values = {f.name: getattr(variant, f.name) for f in fields(variant) if f.name in vars(variant)}
    unlike = {k: "given" if is_dataclass(v) else v for k, v in values.items() if v != getattr(plain, k)}
    return "-".join([name, *(f"{key}={value}" for key, value in unlike.items())])


IDS = [described(name, variant) for name, variant in CASES]
each_sampler = pytest.mark.parametrize("sampler", [variant for _, variant in CASES], ids=IDS)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def test_every_file_and_variant_is_collected():
    assert samplers.names() == FILES
    assert len(each_sampler.args[1]) == sum(len(samplers.load(name).variants()) for name in FILES)
    assert len(set(CASES)) == len(set(IDS)) == len(CASES) >= len(FILES) >= 24
    assert all(isinstance(hash(variant), int) for _, variant in CASES)  # frozen


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=", ".join(FILES)):
        samplers.load("dpm")


# Order


@lru_cache(None)
def measured(sampler: Sampler, schedule: NoiseSchedule) -> float:
    """Order between N and 4 N steps, N divisible by three; more of them for an order of 5, where the choice of nodes
    must settle first (ERA), and where two last small groups must outweigh the many before them (tapered)."""
    steps = 162 if getattr(sampler, "taper", False) else {4: 81, 5: 162}.get(sampler.order, 54)
    if type(sampler).__name__ == "ERA":
        steps = 648 if isinstance(schedule, EDM) else 162
    error = variance_error if sampler.stochastic else path_error
    return log2(error(sampler, schedule, steps) / error(sampler, schedule, 4 * steps)) / 2


def adaptive(sampler: Sampler) -> bool:
    return sampler.nfe(VPLinear(), uniform_t(3)) is None


RATED = [(i, c) for i, c in zip(IDS, CASES, strict=True) if not adaptive(c[1])]
FIRST = [c for name in FILES for _, c in RATED if c == (name, samplers.load(name).variants()[0])]


@pytest.mark.parametrize("sampler", [c[1] for _, c in RATED], ids=[i for i, _ in RATED])
def test_order_is_as_declared_and_the_next_lower_one_would_be_rejected(sampler: Sampler):
    """A method of order p passes for p (at least p - 0.25) and fails for p + 1 (at least p + 0.75)."""
    assert sampler.order - 0.25 <= measured(sampler, VPLinear()) < sampler.order + 0.75


@pytest.mark.parametrize("sampler", [c[1] for c in FIRST], ids=[c[0] for c in FIRST])
@pytest.mark.parametrize("schedule", [EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
def test_order_holds_on_other_paths(sampler: Sampler, schedule: NoiseSchedule):
    assert measured(sampler, schedule) >= sampler.order - 0.25


def test_only_samplers_that_choose_their_own_steps_have_no_order_of_the_grid():
    assert {name for (name, _) in CASES} - {name for _, (name, _) in RATED} == {"gotta_go_fast", "pf_rk45"}


# Every schedule, end to end


@each_sampler
@each_schedule
def test_whole_way_to_the_clean_end(sampler: Sampler, schedule: NoiseSchedule):
    """From t = 1, where alpha may be 0, to t = 0: finite, ends pinned, the last state a denoised sample (but where a
    published form keeps its formula there), and the calls as documented."""
    x = torch.linspace(-1, 1, 5, dtype=torch.float64).view(-1, 1, 1, 1) * schedule.sigma(1.0)
    counted = Counted(exact(schedule))
    steps = list(sampler(counted, schedule, x, uniform_t(7), noise=brownian(3)))
    assert steps[0].s == 1.0
    assert steps[-1].t == 0.0
    assert [step.s for step in steps] == pytest.approx([1 - i / 7 for i in range(7)], abs=1e-15)
    assert all(bool(step.x.isfinite().all()) for step in steps)
    if not getattr(sampler, "published", False):
        torch.testing.assert_close(steps[-1].x, steps[-1].x0, rtol=1e-12, atol=1e-12)
    assert sampler.nfe(schedule, uniform_t(7)) in (None, counted.calls)


class Counted:
    """A denoiser that counts; one call of `parts` is one."""

    def __init__(self, law: Exact) -> None:
        self._law, self.calls = law, 0

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        self.calls += 1
        return self._law(x_t, t)

    def parts(self, x_t: Tensor, t: Tensor) -> tuple[Prediction, Prediction]:
        self.calls += 1
        return self._law.parts(x_t, t)


@each_sampler
def test_calls_are_as_documented(sampler: Sampler):
    schedule = VPLinear()
    inner = uniform_lam(schedule, 6, start=0.9, end=0.1)
    for grid in (inner, to_clean(inner), inner[:2], uniform_t(1)):
        counted = Counted(exact(schedule))
        last(sampler(counted, schedule, torch.zeros(2, 1, 1, 1, dtype=torch.float64), grid, noise=brownian(3)))
        found = sampler.nfe(schedule, grid)
        assert counted.calls == found or (found is None and counted.calls >= len(grid) - 1)


@each_sampler
@pytest.mark.parametrize("kind", [brownian, lambda seed: sequential(torch.Generator().manual_seed(seed))])
def test_same_input_and_seed_same_bits(sampler: Sampler, kind):
    x, grid, law = starts(VPLinear(), 1.0).float(), uniform_t(5), exact(VPLinear())
    runs = [last(sampler(law, VPLinear(), x, grid, noise=kind(seed))) for seed in (3, 3, 4)]
    assert runs[0].dtype == torch.float32
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2]) != sampler.stochastic


@each_sampler
def test_noise_is_asked_for_where_it_is_needed(sampler: Sampler):
    x, grid, law = starts(VPLinear(), 1.0), uniform_t(5), exact(VPLinear())
    if sampler.stochastic:
        with pytest.raises(ValueError, match="noise"):
            last(sampler(law, VPLinear(), x, grid))
    else:
        noisy = last(sampler(law, VPLinear(), x, grid, noise=brownian(1)))
        assert torch.equal(noisy, last(sampler(law, VPLinear(), x, grid)))


@each_sampler
def test_gradients_flow_and_grids_are_checked(sampler: Sampler):
    x = starts(VPLinear(), 1.0).requires_grad_()
    law = exact(VPLinear())
    found = last(sampler(law, VPLinear(), x, uniform_t(3), noise=brownian(0)))
    if adaptive(sampler) and not sampler.stochastic:
        assert not found.requires_grad  # scipy's steps
    else:
        found.sum().backward()
        assert x.grad is not None
        assert bool(x.grad.isfinite().all())
    for wrong in (torch.tensor([0.1, 0.5]), torch.tensor([1.5, 0.5]), torch.tensor([0.5]), torch.tensor([0.5, 0.5])):
        with pytest.raises(ValueError, match="falling"):
            last(sampler(law, VPLinear(), x, wrong, noise=brownian(0)))


@pytest.mark.parametrize("sampler", [v for _, v in CASES if not v.stochastic], ids=[
    i for i, (_, v) in zip(IDS, CASES, strict=True) if not v.stochastic
])  # fmt: skip
@each_schedule
def test_deterministic_samplers_find_the_flow_map_on_every_path(sampler: Sampler, schedule: NoiseSchedule):
    """30 steps from the noise to lam = 2.5, by the exact quantiles; a path on which it fails is off by a half. Euler on
    the whole field, linear part included, takes eight times as many where the noise falls by orders of magnitude."""
    end = float(schedule.t_of_lam(2.5))
    plain = isinstance(sampler, ProbabilityFlow) and sampler.order == 1
    grid = uniform_lam(schedule, 240 if plain else 30, start=0.98, end=end)
    found = last(sampler(exact(schedule), schedule, starts(schedule, 0.98), grid))
    torch.testing.assert_close(found, on_path(schedule, 0.98, end), rtol=0, atol=0.15)
