import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill.catalog import pictures
from distill.checkpoint import CheckpointError
from distill.engine import Pace, RunFailed, optimize, restore
from distill.recipes import denoiser as d
from distill.recipes.denoiser import Denoiser, DenoiserRun
from guidance.networks.feature_field import FieldSize
from guidance.networks.precondition import FORMS, Preconditioner
from guidance.networks.scene_unet import SceneUNet
from guidance.networks.unet import UNetSize
from guidance.teacher import Guided
from guidance.teachers.embedded import EmbeddedTeacher, PromptRows, camera_rows, load_teacher
from nerf.cameras import draw as draw_cameras
from samplers.grids import to_clean, uniform_lam
from samplers.methods.ddim import DDIM
from samplers.types import last

CPU = torch.device("cpu")
COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


@pytest.fixture(autouse=True)
def narrow(monkeypatch) -> None:
    """Networks of 0.2 instead of 3 million weights, apart from the levels that a recipe may choose."""
    field = FieldSize(cells=6, pattern_cells=8, side=16, samples=5)
    small = {"width": 32, "text": 8, "middle": 0, "field": field}
    monkeypatch.setattr(d, "UNetSize", lambda **chosen: UNetSize(**{**chosen, **small}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three plain pictures that their captions tell apart."""
    out = tmp_path_factory.mktemp("pictures")
    for name, color in COLORS.items():
        pixels = np.broadcast_to(np.array(color, np.uint8), (16, 16, 3))
        Image.fromarray(pixels.copy()).save(out / f"{name}.png")
        (out / f"{name}.txt").write_text(f"a {name} wall")
    return out


@pytest.fixture
def tiny(folder) -> Denoiser:
    return Denoiser(data=str(folder), steps=6, batch=4, side=16, levels=(16, 16, 16), warmup=2)


@pytest.fixture
def catalog(tmp_path, monkeypatch) -> Denoiser:
    monkeypatch.setattr(pictures, "SHARD", 16)
    return Denoiser(steps=4, batch=4, side=16, levels=(16, 16, 16), shards=1, cache=str(tmp_path / "cache"))


def run_all(recipe: Denoiser, out: Path, **options) -> DenoiserRun:
    run = recipe.build(None, CPU)
    list(optimize(run, steps=recipe.steps, out=out, pace=Pace(save_seconds=1e9), **options))
    return run


def weights(run: DenoiserRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in (*run.network.parameters(), *run.ema.model.parameters())])


# The loss


@pytest.mark.parametrize("process", ["edm", "ve", "cosine", "flow"])
def test_edm_loss_is_one_at_every_noise_level(tiny, process, monkeypatch):
    """Karras et al.'s weighting: for data N(0, data_std^2) a raw output of 0 is optimal and costs 1. A fresh network
    answers 0."""
    run = replace(tiny, form="edm", process=process).build(None, CPU)
    rng = torch.Generator().manual_seed(0)
    x0 = 0.5 * torch.randn(64, 3, 16, 16, generator=rng)
    eps = torch.randn(x0.shape, generator=rng)
    text, camera = run.network.text.rows([""] * 64), torch.zeros(64, 4)

    def losses() -> list[float]:
        times = [torch.full((64,), t, dtype=torch.float64) for t in (0.002, 0.05, 0.3, 0.7, 0.95)]
        with torch.no_grad():
            return [float(run.loss(x0, eps, t, text, camera)) for t in times]

    assert losses() == pytest.approx([1] * 5, abs=0.03)
    right = Preconditioner._skip_out

    def rootless(self, alpha, sigma):
        return right(self, alpha, sigma)[0], sigma * self.data_std

    monkeypatch.setattr(Preconditioner, "_skip_out", rootless)
    assert max(abs(loss - 1) for loss in losses()) > 0.2


def test_the_loss_is_the_error_of_the_raw_output(tiny):
    """Against the formulas of v written out, with a network that speaks."""
    run = tiny.build(None, CPU)
    rng = torch.Generator().manual_seed(1)
    torch.nn.init.normal_(run.network.head.weight, std=0.1, generator=rng)
    run.network.double()
    x0, eps = torch.randn(2, 4, 3, 16, 16, generator=rng, dtype=torch.float64)
    eps = x0 + 0.5 * eps  # alike, so that a wrong sign shows
    times = torch.tensor([0.1, 0.2, 0.3, 0.9], dtype=torch.float64)
    text, camera = run.network.text.rows(["a red wall"] * 4).double(), torch.zeros(4, 4).double()
    loss = run.loss(x0, eps, times, text, camera)
    alpha, sigma = ((math.pi / 2 * t).cos().reshape(-1, 1, 1, 1) for t in (times, 1 - times))
    x_t = alpha * x0 + sigma * eps
    raw = run.network(x_t / (alpha**2 / 4 + sigma**2).sqrt(), (alpha / sigma).log().flatten(), text, camera)
    assert torch.allclose(loss, (raw - (alpha * eps - sigma * x0)).square().mean(), rtol=1e-5)
    assert not torch.allclose(loss, (raw - (alpha * eps + sigma * x0)).square().mean(), rtol=0.2)


# Times, dropping, learning rate


def test_times_are_spread_over_the_process(tiny):
    run = replace(tiny, batch=64).build(None, CPU)
    times = run._times(torch.Generator().manual_seed(0))
    assert times.dtype == torch.float64
    assert (times.sort().values * 64).floor().tolist() == list(range(64))  # one in each interval
    assert times.tolist() != times.sort().values.tolist()


@pytest.mark.parametrize("process", ["edm", "ve", "cosine"])
def test_edm_times_are_log_normal(tiny, process):
    run = replace(tiny, batch=4000, form="edm", process=process).build(None, CPU)
    times = run._times(torch.Generator().manual_seed(0))
    log_sigma = -run.schedule.lam(times)
    assert float(log_sigma.mean()) == pytest.approx(-1.2, abs=0.08)
    assert float(log_sigma.std()) == pytest.approx(1.2, abs=0.05)
    assert log_sigma.exp().min() < 0.02
    assert ((times > 0) & (times < 1)).all()


@pytest.mark.parametrize(("drop", "expected"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_text_and_camera_are_dropped_together(catalog, drop, expected, monkeypatch):
    seen = []
    run = replace(catalog, batch=400, drop=drop).build(None, CPU)
    loss = run.network.unet.head.bias.sum()  # something to differentiate
    monkeypatch.setattr(run, "loss", lambda x0, eps, times, text, camera: seen.append((text, camera)) or loss)
    run.step(0)
    text, camera = seen[0]
    null = (text == run.network.text.null_row()).all(1)
    assert torch.equal(null, (camera == 0).all(1))
    assert float(null.float().mean()) == pytest.approx(expected, abs=0.07)


def test_volumes_go_faster_and_do_not_decay(tiny, catalog):
    """Every parameter in one group, once: few pictures show a cell of a volume."""
    run = catalog.build(None, CPU)
    rest, volumes = d.parameter_groups(run.network)
    field = run.network.field
    assert [id(p) for p in volumes["params"]] == [id(field.volumes), id(field.patterns)]
    everything = [id(p) for group in (rest, volumes) for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in run.network.parameters())
    assert len(set(everything)) == len(everything)
    assert (rest["pace"], rest["weight_decay"]) == (1.0, 0.01)
    assert (volumes["pace"], volumes["weight_decay"]) == (d.VOLUME_PACE, 0.0) == (20.0, 0.0)
    for recipe in (tiny, replace(catalog, form="v")):  # plain networks have one group
        network = recipe.build(None, CPU).network
        (only,) = d.parameter_groups(network)
        assert [id(p) for p in only["params"]] == [id(p) for p in network.parameters()]
        assert (only["pace"], only["weight_decay"]) == (1.0, 0.01)


def test_every_group_keeps_its_pace(catalog):
    """While the learning rate rises and falls; and AdamW's first step is as long as the rate says."""
    run = replace(catalog, steps=10, warmup=4, cooldown=0.5, learning_rate=1e-3).build(None, CPU)
    before = run.network.field.volumes.detach().clone()
    for index in range(10):
        told = run.step(index)
        assert told["learning_rate"] == pytest.approx(1e-3 * d.rate_factor(index, 10, 4, 0.5))
        assert [g["lr"] for g in run.optimizer.param_groups] == pytest.approx(
            [told["learning_rate"], 20 * told["learning_rate"]]
        )
        if index == 0:
            moved = (run.network.field.volumes.detach() - before).abs()
            assert float(moved.max()) == pytest.approx(20 * 1e-3 / 4, rel=0.01)
            # what no picture showed stays: it does not decay
            assert (moved == 0).any()


# Training


@pytest.mark.parametrize("process", d.SCHEDULES)
@pytest.mark.parametrize("form", FORMS)
def test_every_process_and_form_trains(tiny, catalog, process, form):
    """On pictures; the form "posterior" on the catalog, which it draws."""
    run = replace(catalog if form == "posterior" else tiny, process=process, form=form).build(None, CPU)
    before = weights(run)
    reports = [run.step(i) for i in range(2)]
    assert all(math.isfinite(v) for report in reports for v in report.values())
    assert (weights(run) != before).any()


def test_the_form_follows_the_data(tiny, catalog):
    assert (tiny.predicts, catalog.predicts) == ("v", "posterior")
    assert replace(catalog, form="edm").predicts == "edm"
    for recipe in (tiny, catalog, replace(catalog, form="v")):
        run = recipe.build(None, CPU)
        assert run.card.form == run.precondition.form == recipe.predicts
        assert isinstance(run.network, SceneUNet) == (recipe.predicts == "posterior")


def test_the_posterior_loss_is_the_error_of_x0_over_its_variance(catalog):
    """Against Bayes written out: x0 of the teacher, and the variance that x_t leaves of N(output, prior_std^2); and the
    error of the field's draft of the clean pictures, which is told apart from it."""
    run = catalog.build(None, CPU)
    rng = torch.Generator().manual_seed(1)
    torch.nn.init.normal_(run.network.unet.head.weight, std=0.1, generator=rng)
    x0, eps = torch.randn(2, 4, 3, 16, 16, generator=rng) * torch.tensor([0.5, 1.0])[:, None, None, None, None]
    times = torch.tensor([0.1, 0.2, 0.3, 0.9], dtype=torch.float64)
    captions, views = ["a red cube", "", "a cone on a table", "a teal car"], draw_cameras(pictures.LAW, 4, rng)
    text, camera = run.network.text.rows(captions), camera_rows(views)
    with torch.no_grad():
        loss = run.loss(x0, eps, times, text, camera)
        alpha, sigma = run.schedule.coefficients(times, x0)
        cond = PromptRows(text, camera, torch.zeros(4, dtype=torch.bool))
        read = EmbeddedTeacher(run.card, run.network)(alpha * x0 + sigma * eps, times, cond).x0
        draft = run.network.draft_error(run.network.maps(text, camera), text, x0)
        noisy = run.network.draft_error(run.network.maps(text, camera), text, alpha * x0 + sigma * eps)
    variance = 1 / (1 / 0.1**2 + (alpha / sigma) ** 2)
    own = float((0.1**2 * (read - x0) ** 2 / variance).mean())
    assert float(loss) == pytest.approx(own + float(draft), rel=1e-4)
    for wrong in (own, own + 2 * float(draft), own + float(noisy)):
        assert float(loss) != pytest.approx(wrong, rel=0.01)


@pytest.mark.parametrize("process", d.SCHEDULES)
def test_previews_are_samples(tiny, process):
    """A teacher that always answers black: from noise of any process its samples are black."""
    run = replace(tiny, process=process, form="x0").build(None, CPU)
    average = run.ema.model
    for parameter in average.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(average.head.bias, -1.0)
    preview = run.preview()
    assert preview.shape == (3, 32, 64)
    assert preview.max() < 1e-3


def test_it_learns_what_the_captions_say(folder, tmp_path):
    """At high noise its error is far below that of the exact denoiser that does not read captions."""
    recipe = Denoiser(
        data=str(folder), steps=150, batch=12, side=16, levels=(16, 16, 16), warmup=10, drop=0.05, half_life=200.0
    )
    teacher = run_all(recipe, tmp_path).teacher()
    table = torch.tensor([COLORS[c] for c in COLORS])[:, :, None, None].expand(-1, -1, 16, 16) / 127.5 - 1
    x0, t = table.repeat(20, 1, 1, 1), torch.tensor(0.98, dtype=torch.float64)
    x_t = teacher.schedule.diffuse(x0, t, torch.randn(x0.shape, generator=torch.Generator().manual_seed(5)))
    alpha, sigma = (float(c(t)) for c in (teacher.schedule.alpha, teacher.schedule.sigma))
    distance = torch.cdist(x_t.flatten(1), alpha * table.flatten(1)).square() / (2 * sigma**2)
    blind = torch.einsum("nk,kchw->nchw", (-distance).softmax(1), table)
    read = teacher(x_t, t, teacher.embed([f"a {c} wall" for c in COLORS] * 20)).x0
    mute = teacher(x_t, t, teacher.embed([""] * 60)).x0
    exact, told, untold = ((x - x0).square().mean() for x in (blind, read, mute))
    assert told < 0.5 * exact
    assert untold > 0.9 * exact  # nobody can do better without the caption


def test_gradients_that_are_not_finite_stop_the_run(tiny):
    run = tiny.build(None, CPU)
    with torch.no_grad():
        run.network.head.weight.fill_(math.inf)
    before = weights(run)
    with pytest.raises(RunFailed, match="at step 0; lower learning_rate"):
        run.step(0)
    assert torch.equal(weights(run), before)


# Resuming


@pytest.mark.parametrize(("at", "data"), [(1, "pictures"), (4, "pictures"), (2, "catalog")])
def test_stop_and_resume_is_the_same_to_the_bit(tiny, catalog, tmp_path, at, data):
    tiny = catalog if data == "catalog" else tiny
    whole = run_all(tiny, tmp_path / "whole")
    asked = iter([False] * at)
    run_all(tiny, tmp_path / "cut", stop=lambda: next(asked, True))
    run = tiny.build(None, CPU)
    start = restore(run, tmp_path / "cut")
    assert start == at
    list(optimize(run, steps=tiny.steps, start=start, out=tmp_path / "cut"))
    assert torch.equal(weights(run), weights(whole))


def test_without_the_generator_it_is_not_the_same(tiny, tmp_path):
    """The wrong variant: everything restored but the generator."""
    whole = run_all(tiny, tmp_path / "whole")
    asked = iter([False] * 3)
    run_all(tiny, tmp_path / "cut", stop=lambda: next(asked, True))
    run = tiny.build(None, CPU)
    generator = run.generator.get_state()
    start = restore(run, tmp_path / "cut")
    run.generator.set_state(generator)
    list(optimize(run, steps=tiny.steps, start=start, out=tmp_path / "cut"))
    assert not torch.equal(weights(run), weights(whole))


def test_previews_change_nothing(tiny):
    plain, watched = tiny.build(None, CPU), tiny.build(None, CPU)
    for i in range(2):
        plain.step(i)
        watched.step(i)
        assert torch.equal(watched.preview(), watched.preview())
    assert torch.equal(weights(plain), weights(watched))


def test_the_seed_decides_and_nothing_else(tiny):
    torch.manual_seed(1)
    one = tiny.build(None, CPU)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    two, other = tiny.build(None, CPU), replace(tiny, seed=1).build(None, CPU)
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(other))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())  # building drew nothing from the global generator


def test_checkpoints_of_other_networks_are_refused(tiny, tmp_path):
    run_all(tiny, tmp_path)
    with pytest.raises(CheckpointError, match="does not fit its recipe"):
        restore(replace(tiny, levels=(16, 32, 16)).build(None, CPU), tmp_path)


# Teachers


def test_the_export_is_a_teacher(tiny, tmp_path):
    run = run_all(tiny, tmp_path)
    results = run.export(tmp_path)
    assert results["parameters"] == sum(p.numel() for p in run.network.parameters())
    loaded = load_teacher(Path(results["teacher"]), CPU)
    assert (loaded.card.notes["steps"], loaded.card.notes["batch"], loaded.card.notes["half_life"]) == (6, 4, 2e4)
    for name, tensor in run.ema.model.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor.half().float())
    guided = Guided(loaded, loaded.embed(["a red wall"]), loaded.embed([""]), 2.0)
    x = torch.randn(1, *loaded.shape, generator=torch.Generator().manual_seed(0))
    grid = to_clean(uniform_lam(loaded.schedule, 3, start=0.99))
    assert last(DDIM()(guided, loaded.schedule, x, grid)).isfinite().all()


def test_a_catalog_teacher_knows_words_and_cameras(catalog, tmp_path):
    run = run_all(catalog, tmp_path)
    loaded = load_teacher(Path(run.export(tmp_path)["teacher"]), CPU)
    assert loaded.cameras == pictures.LAW
    assert isinstance(loaded.network, SceneUNet)
    assert isinstance(run.network, SceneUNet)
    assert loaded.embed(["a red toadstool on a table", ""]).null.tolist() == [False, True]
    with pytest.raises(ValueError, match="unknown word 'dragon'"):
        loaded.embed(["a dragon"])


def test_going_on_from_a_teacher(tiny, tmp_path):
    first = run_all(tiny, tmp_path)
    start = first.export(tmp_path)["teacher"]
    second = replace(tiny, start_from=start).build(None, CPU)
    expected = first.ema.model.state_dict()
    for name, tensor in (*second.network.state_dict().items(), *second.ema.model.state_dict().items()):
        assert torch.equal(tensor, expected[name].half().float())
    assert all(p.requires_grad for p in second.network.parameters())
    with pytest.raises(ValueError, match="holds another network") as caught:
        replace(tiny, start_from=start, levels=(16, 32, 16)).build(None, CPU)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"holds another network: .*'words', 'v'\), not .*'words', 'eps'\)"):
        replace(tiny, start_from=start, form="eps").build(None, CPU)
    with pytest.raises(ValueError, match="is no teacher folder"):
        replace(tiny, start_from=str(tmp_path / "nowhere")).build(None, CPU)
