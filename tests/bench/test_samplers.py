"""The benches of samplers on what takes no time: a tiny teacher, and features that need no network."""

import json

import pytest
import torch
from torch import Tensor

from distill.catalog.pictures import LAW
from guidance.networks.unet import UNetSize
from guidance.teachers import embedded as e
from samplers.methods.dpmpp import DPMSolverPP
from samplers.methods.heun import Heun
from samplers.schedule import VPCosine
from samplers.statistics import DenoisingStatistics
from tests.bench import sampler_quality as quality
from tests.bench import samplers as bench
from tests.bench.sampler_pairs import PAIRS

SIZE = UNetSize(side=16, levels=(16, 16, 16), width=32, text=8, middle=0)


def teacher() -> e.EmbeddedTeacher:
    torch.manual_seed(0)
    card = e.Card(VPCosine(), "v", SIZE, "slots", LAW, 0.5, ("sample",), {})
    return e.EmbeddedTeacher(card, e.build_network(SIZE, "slots", "v").requires_grad_(False).eval())


def features(pictures: Tensor) -> Tensor:
    """Means of the four quarters, in color."""
    return torch.nn.functional.avg_pool2d(pictures, 8).flatten(1)


@pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # diffusers'
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_pair_runs_on_both_sides():
    generator = torch.Generator().manual_seed(0)
    for pair in PAIRS:
        row = bench.overhead(pair, (1, 4, 8, 8), generator, rounds=1)
        assert float(row["ratio"] or 0) > 0
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)


def test_contenders_are_deterministic_and_named_once():
    found = list(bench.contenders(guidance=1.0))
    names = [c.name for c in found]
    assert len(set(names)) == len(names)
    assert {"ddim", "heun", "dpmpp 2", "dpmpp 3", "unipc 4", "pndm", "era"} <= set(names)
    assert not any(c.sampler.stochastic for c in found)
    assert "splitting" not in names
    assert any(c.name.startswith("splitting") for c in bench.contenders(guidance=2.0))


def test_budgets_are_kept():
    for calls in bench.CALLS:
        assert bench.steps_for(DPMSolverPP(), teacher(), calls) == calls
        steps = bench.steps_for(Heun(), teacher(), calls)
        assert steps == calls // 2 + (calls % 2)
    grid = quality.steps_for(Heun(), teacher(), 10)
    assert grid is not None
    assert len(grid) == 6


def test_distances_fall_and_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "open_teacher", lambda name, device: teacher())
    monkeypatch.setattr(bench, "CALLS", (4, 8))
    monkeypatch.setattr(bench, "REFERENCE", 30)
    two = [c for c in bench.contenders(1.0) if c.name in ("ddim", "dpmpp 2")]
    monkeypatch.setattr(bench, "contenders", lambda guidance: iter(two))
    bench.measure_distance("tiny", 2, 1.0, 0, tmp_path)
    data = json.loads((tmp_path / "samplers.json").read_text())
    at = {(row["sampler"], row["nfe"]): row["distance"] for row in data["rows"]}
    assert at["ddim", 8] < at["ddim", 4]
    assert data["facts"]["ddim_over_best_at_4"] >= 1
    assert (tmp_path / "samplers.png").stat().st_size > 5000


def test_quality_measures_every_contender_and_checks_the_orderings(monkeypatch):
    monkeypatch.setattr(quality, "teacher_statistics", lambda teacher: DenoisingStatistics.of_gaussian(0.25))
    rows, facts = quality.measure(teacher(), features, 8, 0, calls=(10,))
    assert len(rows) == 12
    assert all(float(row["distance"] or 0) > 0 for row in rows)
    assert float(facts["floor"] or 0) > 0
    assert facts["orderings"] == sum(calls == 10 for _, _, calls, _ in quality.ORDERINGS)
    better = [{"sampler": n, "nfe": 10, "distance": d} for n, d in (("ddim", 1.0), ("ddpm", 2.0))]
    assert list(quality.agreement(better).values()) == [True]
    worse = [{"sampler": n, "nfe": 10, "distance": d} for n, d in (("ddim", 2.0), ("ddpm", 1.0))]
    assert list(quality.agreement(worse).values()) == [False]


def test_the_small_teacher_is_small():
    size = UNetSize(side=quality.TEACHER.side, levels=quality.TEACHER.levels, width=quality.TEACHER.width)
    network = e.build_network(size, "slots", "v")
    assert sum(p.numel() for p in network.parameters()) <= quality.MOST_WEIGHTS
