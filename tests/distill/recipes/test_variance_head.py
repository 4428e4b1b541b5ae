from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill.engine import Pace, optimize, restore
from distill.recipe_json import recipe_from_json, recipe_to_json
from distill.recipes.variance_head import VarianceHead, VarianceHeadRun
from guidance.networks.precondition import FORMS
from guidance.networks.unet import UNetSize
from guidance.networks.variance import build_variance
from guidance.teachers import embedded as e
from guidance.teachers.mixture import Mixture
from nerf.cameras import orbit
from samplers.methods.learned_variance import LearnedVariance
from samplers.noise import brownian
from samplers.schedule import EDM, RectifiedFlow, VPCosine
from samplers.types import last

CPU = torch.device("cpu")
SIZE = UNetSize(side=16, levels=(16, 16, 16), width=32, text=8, middle=0)
CARD = e.Card(VPCosine(), "v", SIZE, "words", None, 0.5, ("sample",), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    for name, color in {"red": (220, 30, 30), "blue": (30, 30, 220)}.items():
        Image.fromarray(np.broadcast_to(np.array(color, np.uint8), (16, 16, 3)).copy()).save(out / f"{name}.png")
        (out / f"{name}.txt").write_text(f"a {name} wall")
    return out


def teacher(card: e.Card = CARD) -> e.EmbeddedTeacher:
    """One whose raw answer is 0.2 everywhere."""
    torch.manual_seed(0)
    network = e.build_network(card.size, card.text, card.form).requires_grad_(False).eval()
    torch.nn.init.constant_(network.head.bias, 0.2)
    return e.EmbeddedTeacher(card, network)


def recipe(folder: Path, **changes) -> VarianceHead:
    return VarianceHead(data=str(folder), **{"steps": 6, "batch": 4, "warmup": 2, **changes})


def answers_of(run: VarianceHeadRun) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 and its variance of the taught teacher, on noise at t = 0.5."""
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    model = run.taught()
    found = model(x, torch.tensor(0.5, dtype=torch.float64), model.embed(["a red wall"] * 2))
    assert found.var is not None
    return found.x0, found.var


@pytest.mark.parametrize("moment", ["residual", "square"])
def test_the_optimum_of_the_loss_is_the_moment(folder, moment):
    """Data of one color: the target is a known Gaussian, and the constant answer of least loss is its mean square."""
    run = recipe(folder, moment=moment).build(teacher(), CPU)
    rng = torch.Generator().manual_seed(0)
    x0, eps = torch.full((64, 3, 16, 16), 0.7), torch.randn(64, 3, 16, 16, generator=rng)
    times, text = torch.full((64,), 0.3, dtype=torch.float64), run.network.text.rows([""] * 64)
    alpha, sigma = (float(c(0.3)) for c in (VPCosine().alpha, VPCosine().sigma))
    off = 0.2 if moment == "residual" else 0.0
    exact = alpha**2 + (sigma * 0.7 + off) ** 2  # v = alpha eps - sigma x0, and the answer is 0.2

    def loss_of(value: float) -> float:
        torch.nn.init.constant_(run.head.out.bias, float(np.log(np.expm1(value))))
        with torch.no_grad():
            return float(run.loss(x0, eps, times, text, torch.zeros(64, 4)))

    losses = {factor: loss_of(factor * exact) for factor in (0.5, 0.9, 1.0, 1.1, 2.0)}
    assert min(losses, key=lambda f: losses[f]) == 1.0


@pytest.mark.parametrize("schedule", [VPCosine(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("form", [form for form in FORMS if form != "posterior"])
def test_variances_of_x0_by_moving_the_raw_output(folder, schedule, form):
    """x0 is affine in the raw output, so its variance is the square of the slope times the head's number; for eps that
    is rho^2 g, and for SN rho^2 (h - eps^2)."""
    card = replace(CARD, schedule=schedule, form=form)
    run = recipe(folder).build(teacher(card), CPU)
    x0, var = answers_of(run)
    torch.nn.init.constant_(run.network.head.bias, 1.2)
    moved, _ = answers_of(run)
    fresh = float(torch.nn.functional.softplus(torch.tensor(-2.0)))
    torch.testing.assert_close(var, (moved - x0) ** 2 * fresh, rtol=2e-3, atol=1e-6)
    if form == "eps":
        rho = float(schedule.sigma(0.5) / schedule.alpha(0.5))
        torch.testing.assert_close(var, torch.full_like(var, rho**2 * fresh), rtol=1e-4, atol=0)
    square = recipe(folder, moment="square").build(teacher(card), CPU)
    _, var_square = answers_of(square)
    torch.testing.assert_close(var_square, (moved - x0) ** 2 * (fresh - 0.2**2), rtol=2e-3, atol=1e-6)


def test_a_network_of_the_catalog_brings_variances_too():
    """What it predicts is the same with the head and without, and the variance is that of the head's number."""
    card = replace(CARD, form="posterior", text="slots", variance="residual")
    network = e.build_network(card.size, card.text, card.form).requires_grad_(False).eval()
    head = build_variance(card.size).requires_grad_(False).eval()
    model, plain = e.EmbeddedTeacher(card, network, head), e.EmbeddedTeacher(replace(card, variance=None), network)
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3)), torch.tensor(0.5, dtype=torch.float64)
    cond = model.embed(["a red cube"]).at(orbit(2, elevation=0.3, distance=3.2, fov=0.7))
    found = model(x, t, cond)
    assert found.var is not None
    assert torch.equal(found.x0, plain(x, t, cond).x0)
    fresh = float(torch.nn.functional.softplus(torch.tensor(-2.0)))
    alpha, sigma = (float(c(0.5)) for c in (VPCosine().alpha, VPCosine().sigma))
    slope = sigma**2 / ((0.1 * alpha) ** 2 + sigma**2)
    torch.testing.assert_close(found.var, torch.full_like(found.var, slope**2 * fresh), rtol=1e-4, atol=0)


def test_it_learns_and_a_folder_gives_it_back(folder, tmp_path):
    """Loss falls, and a sampler draws from the loaded teacher."""
    run = recipe(folder, steps=40, batch=8, half_life=100.0, learning_rate=3e-3).build(teacher(), CPU)

    def loss() -> float:
        rng = torch.Generator().manual_seed(9)
        told, eps = run.source.batch(32, rng), torch.randn(32, 3, 16, 16, generator=rng)
        times = torch.linspace(0.05, 0.95, 32, dtype=torch.float64)
        with torch.no_grad():
            return float(run.loss(told.pictures * 2 - 1, eps, times, told.text, told.camera))

    before = loss()
    list(optimize(run, steps=40, out=tmp_path))
    assert loss() < 0.9 * before
    loaded = e.load_teacher(tmp_path / "teacher", CPU)
    assert loaded.card == replace(CARD, variance="residual")
    x, t = torch.zeros(1, 3, 16, 16), torch.tensor(0.5, dtype=torch.float64)
    one, other = (m(x, t, m.embed(["a red wall"])) for m in (loaded, run.taught()))
    assert one.var is not None
    assert other.var is not None
    torch.testing.assert_close(one.var, other.var, rtol=0.02, atol=1e-3)
    torch.testing.assert_close(one.x0, other.x0, rtol=0.02, atol=1e-3)
    grid = torch.tensor([0.9, 0.5, 0.1, 0.0], dtype=torch.float64)
    null = loaded.embed([""])
    drawn = last(LearnedVariance()(lambda x, t: loaded(x, t, null), loaded.schedule, x, grid, noise=brownian(0)))
    assert bool(drawn.isfinite().all())
    card = tmp_path / "teacher" / e.CARD
    card.write_text(card.read_text().replace('"residual"', '"cubic"'))
    with pytest.raises(ValueError, match="no whole teacher"):
        e.load_teacher(tmp_path / "teacher", CPU)
    card.write_text(card.read_text().replace('"cubic"', '"residual"'))
    (tmp_path / "teacher" / e.VARIANCE).unlink()
    with pytest.raises(ValueError, match="no whole teacher"):
        e.load_teacher(tmp_path / "teacher", CPU)


def weights(run: VarianceHeadRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in (*run.head.parameters(), *run.ema.model.parameters())])


def test_stop_and_resume_is_the_same_to_the_bit_and_the_teacher_stays(folder, tmp_path):
    before = teacher().network.state_dict()
    whole = recipe(folder).build(teacher(), CPU)
    list(optimize(whole, steps=6, out=tmp_path / "whole", pace=Pace(save_seconds=1e9)))
    asked = iter([False] * 3)
    cut = recipe(folder).build(teacher(), CPU)
    list(optimize(cut, steps=6, out=tmp_path / "cut", stop=lambda: next(asked, True)))
    run = recipe(folder).build(teacher(), CPU)
    list(optimize(run, steps=6, start=restore(run, tmp_path / "cut"), out=tmp_path / "cut"))
    assert torch.equal(weights(run), weights(whole))
    assert not torch.equal(weights(run), weights(recipe(folder).build(teacher(), CPU)))
    assert all(torch.equal(t, before[name]) for name, t in run.network.state_dict().items())
    assert run.preview().shape == (3, 64, 64)
    assert torch.equal(run.preview(), run.preview())


def test_recipes_survive_json_and_mistakes_are_named(folder):
    made = recipe(folder, moment="square")
    assert recipe_from_json(recipe_to_json(made)) == made
    for wrong, message in (({"batch": 0}, "batch"), ({"drop": 2.0}, "drop"), ({"half_life": 0.0}, "half_life")):
        with pytest.raises(ValueError, match=message):
            VarianceHead(**wrong)
    exact = Mixture(VPCosine(), torch.ones(1), torch.zeros(1, 3, 16, 16), torch.ones(1))
    with pytest.raises(ValueError, match="a teacher of our own"):
        made.build(exact, CPU)
    with pytest.raises(ValueError, match="the card says variance None, and there is a head"):
        e.EmbeddedTeacher(CARD, teacher().network, made.build(teacher(), CPU).head)
