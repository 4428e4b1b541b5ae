import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from guidance.networks.feature_field import FieldSize
from guidance.networks.precondition import FORMS
from guidance.networks.scene_unet import SceneUNet
from guidance.networks.unet import UNet, UNetSize
from guidance.teacher import CameraLaw, Guided
from guidance.teachers import embedded as e
from nerf.cameras import orbit
from samplers.schedule import EDM, VE, NoiseSchedule, RectifiedFlow, VPCosine

CPU = torch.device("cpu")
FIELD = FieldSize(cells=6, pattern_cells=8, side=16, samples=5)
SIZE = UNetSize(side=16, levels=(16, 16, 16), width=32, text=8, middle=0, field=FIELD)
LAW = CameraLaw((-math.pi, math.pi), (-0.2, 0.8), (3.2, 3.2), (0.7, 0.7))
CARD = e.Card(VPCosine(), "v", SIZE, "slots", LAW, 0.5, ("sample", "generate"), {"steps": 5})
SCENE = replace(CARD, form="posterior")
WORDS = (e.embedded_folder() / e.VOCABULARY).read_text(encoding="utf-8")


def network(card: e.Card = CARD, seed: int = 0) -> e.Network:
    """A network whose layers all speak."""
    torch.manual_seed(seed)
    net = e.build_network(card.size, card.text, card.form)
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net.requires_grad_(False).eval()


def teacher(card: e.Card = CARD) -> e.EmbeddedTeacher:
    return e.EmbeddedTeacher(card, network(card))


def noise(count: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def views(count: int = 2):
    return orbit(5, elevation=0.3, distance=3.2, fov=0.7)[:count]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    e.save_teacher(tmp_path / "teacher", CARD, network(), WORDS)
    return tmp_path / "teacher"


# Prompts


def test_rows_are_selected_joined_and_bound():
    rows = teacher().embed(["a red cube", "", "a blue cone on a table"])
    assert len(rows) == 3
    assert rows.null.tolist() == [False, True, False]
    assert not rows.camera.any()
    picked = rows[torch.tensor([2, 0])].cat(rows[torch.tensor([1])])
    assert torch.equal(picked.text, rows.text[[2, 0, 1]])
    assert picked.null.tolist() == [False, False, True]
    bound = rows.at(views(3))
    assert torch.equal(bound.camera[[0, 2]], e.camera_rows(views(3))[[0, 2]])
    assert torch.equal(bound.text, rows.text)


def test_the_null_prompt_takes_no_camera():
    null = teacher().embed([""]).at(views(3))
    assert len(null) == 3
    assert not null.camera.any()
    assert null.null.all()


def test_one_prompt_serves_all_views_and_others_must_match():
    rows = teacher().embed(["a red cube", "a blue cube"])
    assert torch.equal(rows[torch.tensor([1])].at(views(4)).text, rows.text[[1]].expand(4, -1))
    with pytest.raises(ValueError, match="2 prompts for 4 views"):
        rows.at(views(4))


def test_unknown_words_are_named():
    with pytest.raises(ValueError, match="unknown word 'dragon'"):
        teacher().embed(["a dragon"])


# Predictions


@pytest.mark.parametrize("schedule", [VPCosine(), VE(), EDM(), RectifiedFlow()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("form", FORMS)
def test_a_call_reads_the_raw_output_as_its_kind(form, schedule: NoiseSchedule):
    """Against the formulas written out: the input has unit variance, EDM's output is x0 of table 1, "posterior" weighs
    the output and x_t / alpha by their precisions."""
    model = teacher(replace(CARD, form=form, schedule=schedule))
    model.network.double()  # a fresh network magnifies the last bit of its input a hundredfold
    cond = model.embed(["a red cube", ""]).at(views())
    cond = replace(cond, text=cond.text.double(), camera=cond.camera.double())
    x, t = noise().double(), torch.tensor([0.3, 0.6], dtype=torch.float64)
    prediction = model(x, t, cond)
    assert prediction.kind == ("x0" if form in ("edm", "posterior") else form)
    alpha, sigma = (c(t)[:, None, None, None] for c in (schedule.alpha, schedule.sigma))
    variance = alpha**2 * 0.25 + sigma**2
    raw = model.network(x / variance.sqrt(), schedule.lam(t), cond.text, cond.camera)
    if form == "edm":
        raw = alpha * 0.25 / variance * x + sigma * 0.5 / variance.sqrt() * raw
    if form == "posterior":
        raw = (raw / 0.01 + x / alpha * (alpha / sigma) ** 2) / (1 / 0.01 + (alpha / sigma) ** 2)
    assert torch.allclose(prediction.value, raw, rtol=1e-5, atol=1e-6)
    assert torch.allclose(alpha * prediction.x0 + sigma * prediction.eps, x, rtol=1e-4, atol=1e-4)


def test_times_may_be_common_or_one_a_sample():
    model = teacher()
    cond = model.embed(["a red cube"]).at(views())
    x = noise()
    single = model(x, torch.tensor(0.4, dtype=torch.float64), cond).value
    assert torch.equal(single, model(x, torch.tensor([0.4, 0.4], dtype=torch.float64), cond).value)
    mixed = model(x, torch.tensor([0.4, 0.7], dtype=torch.float64), cond).value
    assert torch.allclose(mixed[0], single[0], atol=1e-6)
    assert not torch.allclose(mixed[1], single[1], atol=1e-3)
    for end in (0.0, 1.0):
        assert model(x, torch.tensor(end), cond).value.isfinite().all()


def test_guidance_runs_on_it():
    model = teacher()
    guided = Guided(model, model.embed(["a red cube"]), model.embed([""]), 3.0).at(views())
    null, cond = guided.parts(noise(), torch.tensor(0.5))
    mixed = guided(noise(), torch.tensor(0.5))
    assert torch.allclose(mixed.value, null.value + 3 * (cond.value - null.value), atol=1e-5)
    assert (cond.value - null.value).abs().max() > 1e-3


def test_pictures_and_back():
    model = teacher()
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2), requires_grad=True)
    assert torch.allclose(model.decode(model.encode(images)), images, atol=1e-6)
    assert model.encode(torch.ones(1, 3, 64, 64)).shape == (1, 3, 16, 16)
    assert torch.autograd.grad(model.encode(images).sum(), images)[0].eq(2).all()


# Folders


@pytest.mark.parametrize("card", [CARD, SCENE], ids=lambda card: card.form)
def test_a_folder_gives_the_teacher_back(tmp_path, card):
    e.save_teacher(tmp_path / "teacher", card, network(card), WORDS)
    loaded = e.load_teacher(tmp_path / "teacher", CPU)
    assert loaded.card == card
    assert isinstance(loaded.network, SceneUNet if card is SCENE else UNet)
    assert (loaded.shape, loaded.cameras, loaded.schedule) == ((3, 16, 16), LAW, VPCosine())
    for name, tensor in network(card).state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor.half().float())
    assert not any(p.requires_grad for p in loaded.network.parameters())
    rounded, cond = network(card), ["a red cube on a table", ""]
    rounded.load_state_dict({name: tensor.half().float() for name, tensor in rounded.state_dict().items()})
    made = (teacher(card), e.EmbeddedTeacher(card, rounded), loaded)
    full, half, read = (m(noise(), torch.tensor(0.5), m.embed(cond).at(views())).value for m in made)
    assert torch.equal(read, half)
    assert 0 < (full - half).abs().mean() < 0.01


def test_weights_are_half_and_in_shards(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(e, "SHARD_BYTES", 40_000)
    e.save_teacher(tmp_path / "many", CARD, network(), WORDS)
    shards = sorted((tmp_path / "many").glob(e.WEIGHTS))
    assert len(shards) > 3
    for shard in shards:
        held = load_file(shard).values()
        assert {t.dtype for t in held} == {torch.float16}
        assert sum(t.nbytes for t in held) <= 40_000 or len(held) == 1
    a, b = (e.load_teacher(f, CPU).network.state_dict() for f in (folder, tmp_path / "many"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_saving_over_an_older_teacher_leaves_nothing_of_it(folder, monkeypatch):
    monkeypatch.setattr(e, "SHARD_BYTES", 40_000)
    e.save_teacher(folder, CARD, network(seed=1), WORDS)
    monkeypatch.undo()
    e.save_teacher(folder, replace(CARD, notes={"steps": 9}), network(seed=2), WORDS)
    loaded = e.load_teacher(folder, CPU)
    assert loaded.card.notes == {"steps": 9}
    expected = network(seed=2).state_dict()
    assert all(torch.equal(t, expected[n].half().float()) for n, t in loaded.network.state_dict().items())
    assert not folder.with_name("teacher.writing").exists()


def test_a_failed_save_keeps_the_older_teacher(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        e.save_teacher(folder, CARD, network(seed=1), WORDS)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    monkeypatch.undo()
    e.save_teacher(folder, CARD, network(seed=1), WORDS)  # what the cut write left is in nobody's way
    e.load_teacher(folder, CPU)


def test_free_captions_need_no_vocabulary(tmp_path):
    card = replace(CARD, text="words", cameras=None)
    e.save_teacher(tmp_path / "t", card, network(card), None)
    loaded = e.load_teacher(tmp_path / "t", CPU)
    assert not (tmp_path / "t" / e.VOCABULARY).exists()
    assert loaded.cameras is None
    assert loaded.embed(["anything at all", ""]).null.tolist() == [False, True]


def test_a_network_knows_the_spread_of_its_data(tmp_path):
    """A `SceneUNet` scales its input back: the card's data_std is its own, else its background is off."""
    card = replace(SCENE, data_std=0.8)
    e.save_teacher(tmp_path / "t", card, e.build_network(SIZE, "slots", "posterior", data_std=0.8), WORDS)
    model = e.load_teacher(tmp_path / "t", CPU)
    plain = torch.tensor([0.3, -0.9, 0.6])[:, None, None].expand(2, 3, 16, 16)
    t = torch.tensor(0.5)
    x_t = model.schedule.alpha(t) * plain + model.schedule.sigma(t) * noise()
    seen = model(x_t, t, model.embed([""]).at(views())).x0  # a fresh network: the background's posterior mean
    assert (seen.mean((2, 3)) - plain.mean((2, 3))).abs().max() < 0.1
    wrong = e.EmbeddedTeacher(card, e.build_network(SIZE, "slots", "posterior"))
    assert (wrong(x_t, t, model.embed([""]).at(views())).x0 - seen).abs().mean() > 0.05


def test_a_teacher_is_as_sure_as_its_card_says(tmp_path):
    """The card's prior_std reaches both the network and what reads its output; old cards mean 0.1."""
    for prior_std in (0.1, 0.3):
        card = replace(SCENE, prior_std=prior_std)
        e.save_teacher(tmp_path / "t", card, network(card), WORDS)
        model = e.load_teacher(tmp_path / "t", CPU)
        assert model.card.prior_std == model.network.prior_std == prior_std
        cond, t = model.embed(["a red cube"]).at(views()), torch.tensor(0.2)
        alpha, sigma = (float(c(t)) for c in (model.schedule.alpha, model.schedule.sigma))
        scaled, level = noise() / math.sqrt(alpha**2 / 4 + sigma**2), model.schedule.lam(t).float().expand(2)
        raw = model.network(scaled, level, cond.text, cond.camera)
        seen = alpha**2 * prior_std**2 / (alpha**2 * prior_std**2 + sigma**2)
        assert torch.allclose(model(noise(), t, cond).x0, raw + seen * (noise() / alpha - raw), atol=1e-5)
    rewrite(tmp_path / "t" / e.CARD, prior_std=...)
    assert e.load_teacher(tmp_path / "t", CPU).card == SCENE


def test_the_posterior_form_takes_no_free_captions():
    with pytest.raises(ValueError, match=r"the form posterior draws the catalog's things; .* take another, such as v"):
        e.build_network(SIZE, "words", "posterior")


def rewrite(path: Path, **changes) -> None:
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not ...}))


DAMAGE = {
    "no card": (lambda f: (f / e.CARD).unlink(), "is no teacher folder: it has no teacher.json"),
    "cut card": (lambda f: (f / e.CARD).write_text('{"format": 1,'), "JSONDecodeError"),
    "list": (lambda f: (f / e.CARD).write_text("[]"), "TypeError"),
    "other format": (lambda f: rewrite(f / e.CARD, format=7), "format 7 of embedded, this reads 1 of embedded"),
    "other kind": (lambda f: rewrite(f / e.CARD, kind="sd"), "format 1 of sd"),
    "missing entry": (lambda f: rewrite(f / e.CARD, data_std=...), "KeyError: 'data_std'"),
    "no spread": (lambda f: rewrite(f / e.CARD, prior_std=0), "prior_std must be positive, got 0"),
    "other spread": (lambda f: rewrite(f / e.CARD, data_std="wide"), r"Type\w*Error"),
    "unknown form": (lambda f: rewrite(f / e.CARD, prediction="x"), "form.* 'x'"),
    "odd schedule": (lambda f: rewrite(f / e.CARD, schedule={"kind": "x"}), "unknown schedule kind 'x'"),
    "odd size": (lambda f: rewrite(f / e.CARD, network={"levels": [1, 2, 3]}), "multiples of 16"),
    "odd field": (
        lambda f: rewrite(f / e.CARD, network={"levels": [16, 16, 16], "field": {"samples": 0}}),
        "samples of the field must be at least 1, got 0",
    ),
    "posterior of words": (
        lambda f: rewrite(f / e.CARD, prediction="posterior", text="words"),
        "the form posterior draws the catalog's things",
    ),
    "other form": (lambda f: rewrite(f / e.CARD, prediction="posterior"), "Missing key"),
    "odd text": (lambda f: rewrite(f / e.CARD, text="clip"), "unknown text encoder 'clip'; known: slots, words"),
    "no vocabulary": (lambda f: (f / e.VOCABULARY).unlink(), "vocabulary.json"),
    "cut vocabulary": (lambda f: (f / e.VOCABULARY).write_text(WORDS[:99]), "JSONDecodeError"),
    "no weights": (lambda f: next(f.glob(e.WEIGHTS)).unlink(), "Missing key"),
    "cut weights": (lambda f: next(f.glob(e.WEIGHTS)).write_bytes(b"123"), "SafetensorError"),
    "other network": (lambda f: rewrite(f / e.CARD, text="words"), "Missing key"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_clear_line(folder, case):
    spoil, message = DAMAGE[case]
    spoil(folder)
    e.load_vocabulary.cache_clear()
    with pytest.raises(ValueError, match=message) as caught:
        e.load_teacher(folder, CPU)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_cards_survive_json():
    for card in (
        CARD,
        SCENE,
        replace(CARD, cameras=None, schedule=VE(0.02, 30.0), form="edm", valid_for=(), prior_std=0.2),
    ):
        assert e.Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_cards_without_a_field_have_the_usual_one():
    data = CARD.to_json()
    del data["network"]["field"]
    assert e.Card.from_json(data) == replace(CARD, size=replace(SIZE, field=FieldSize()))
