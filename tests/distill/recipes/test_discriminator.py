from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill.engine import Pace, optimize, restore
from distill.recipe_json import recipe_from_json, recipe_to_json
from distill.recipes.discriminator import Discriminator, DiscriminatorRun
from distill.sources import Batch
from guidance.discriminator import DiscriminatorGuided
from guidance.networks.unet import UNetSize
from guidance.teacher import Guided
from guidance.teachers import embedded as e
from guidance.trained_discriminator import load_discriminator
from samplers.schedule import VPCosine

CPU = torch.device("cpu")
SIZE = UNetSize(side=16, levels=(16, 16, 16), width=32, text=8, middle=0)
CARD = e.Card(VPCosine(), "v", SIZE, "words", None, 0.5, ("sample",), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    Image.fromarray(np.full((16, 16, 3), 230, np.uint8)).save(out / "white.png")
    (out / "white.txt").write_text("a white wall")
    return out


def teacher() -> e.EmbeddedTeacher:
    """A fresh network, whose samples are gray noise."""
    torch.manual_seed(0)
    return e.EmbeddedTeacher(CARD, e.build_network(SIZE, "words", "v").requires_grad_(False).eval())


def recipe(folder: Path, **changes) -> Discriminator:
    small = {"steps": 8, "batch": 4, "fakes": 8, "fake_steps": 3, "warmup": 2}
    return Discriminator(data=str(folder), **{**small, **changes})


def run_all(made: Discriminator, out: Path, **options) -> DiscriminatorRun:
    run = made.build(teacher(), CPU)
    list(optimize(run, steps=made.steps, out=out, pace=Pace(save_seconds=1e9), **options))
    return run


def test_it_tells_data_from_samples_and_pulls_samples_toward_data(folder, tmp_path):
    run = run_all(recipe(folder, steps=32, batch=8, fakes=16, learning_rate=3e-3, half_life=100.0), tmp_path)
    judge = load_discriminator(tmp_path / "discriminator", CPU)
    assert judge.card == CARD
    t = torch.full((8,), 0.2, dtype=torch.float64)
    cond = teacher().embed(["a white wall"])
    white, gray = torch.full((8, 3, 16, 16), 0.8), run.fakes[0].pictures.float() * 2 - 1
    eps = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    logits = judge.under(cond)
    x_white, x_gray = (CARD.schedule.diffuse(x0, t, eps) for x0 in (white, gray))
    assert float(logits(x_white, t).min()) > 0 > float(logits(x_gray, t).max())
    guided = Guided(teacher(), cond, cond, 1.0)
    moved = DiscriminatorGuided(guided, logits)(x_gray, t).x0 - guided(x_gray, t).x0
    assert float((moved * (white - gray)).sum()) > 0


def test_the_loss_at_the_optimum_of_equal_laws_is_log_two(folder):
    """A fresh critic answers 0, and where data and samples are the same nothing is better."""
    run = recipe(folder).build(teacher(), CPU)
    batch = run.source.batch(4, torch.Generator().manual_seed(0))
    loss, _ = run.loss(batch, batch, run._times())
    assert float(loss.detach()) == pytest.approx(np.log(2), rel=1e-6)


def test_samples_and_data_keep_their_sides(folder):
    """A critic that says "data" of everything: all is lost on the samples, log(1 + e^2) against log(1 + e^-2)."""
    run = recipe(folder).build(teacher(), CPU)
    torch.nn.init.constant_(run.critic.head.bias, 2.0)
    batch = run.source.batch(4, torch.Generator().manual_seed(0))
    judged: list[torch.Tensor] = []
    run.critic.register_forward_hook(lambda module, inputs, output: judged.append(inputs[0]))
    black = Batch(torch.zeros_like(batch.pictures), batch.text, batch.camera)
    loss, right = run.loss(batch, black, torch.full((4,), 0.001, dtype=torch.float64))
    assert float(loss.detach()) == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 2, rel=1e-5)
    assert right == 0.5
    assert float(judged[0].mean()) > 0 > float(judged[1].mean())  # data first
    torch.nn.init.constant_(run.critic.head.bias, 0.0)
    gradient = torch.autograd.grad(run.loss(batch, black, torch.full((4,), 0.001).double())[0], run.critic.head.weight)
    told_apart = run.critic.head.weight - 0.1 * gradient[0]
    run.critic.head.weight.data.copy_(told_apart.detach())
    assert float(run.loss(batch, black, torch.full((4,), 0.001).double())[0].detach()) < np.log(2)


def weights(run: DiscriminatorRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in (*run.critic.parameters(), *run.ema.model.parameters())])


@pytest.mark.parametrize("at", [1, 4])
def test_stop_and_resume_is_the_same_to_the_bit(folder, tmp_path, at):
    """Stopped while it draws samples, and while it trains."""
    whole = run_all(recipe(folder), tmp_path / "whole")
    asked = iter([False] * at)
    run_all(recipe(folder), tmp_path / "cut", stop=lambda: next(asked, True))
    run = recipe(folder).build(teacher(), CPU)
    list(optimize(run, steps=8, start=restore(run, tmp_path / "cut"), out=tmp_path / "cut"))
    assert torch.equal(weights(run), weights(whole))
    assert len(run.fakes) == 2
    assert run.preview().shape == (3, 32, 64)


def test_recipes_survive_json_and_mistakes_are_named(folder, tmp_path):
    made = recipe(folder)
    assert recipe_from_json(recipe_to_json(made)) == made
    for wrong, message in (({"fakes": 0}, "fakes"), ({"steps": 2}, "takes 2 steps; steps must be more")):
        with pytest.raises(ValueError, match=message):
            replace(made, **wrong)
    with pytest.raises(ValueError, match="a teacher of our own"):
        made.build(None, CPU)
    with pytest.raises(ValueError, match="no whole discriminator"):
        load_discriminator(tmp_path, CPU)
