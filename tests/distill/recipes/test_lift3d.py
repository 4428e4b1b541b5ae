"""Text to 3D end to end with the oracle, and the health checks."""

import dataclasses
import json

import pytest
import torch

from app.presets import test as tiny
from distill.catalog.captions import VOCABULARY
from distill.catalog.oracle import OracleTeacher
from distill.catalog.truth import truth
from distill.engine import RunFailed, optimize, restore
from distill.events import Finished, Warned
from distill.health import EMPTY, PATIENCE, Health
from distill.metrics import iou
from distill.recipe_json import recipe_from_json, recipe_to_json
from distill.recipes.lift3d import EDGE, Lift3D, bends
from nerf.cameras import orbit
from nerf.field import HashField
from nerf.mesh_load import load
from nerf.render import Picture

CPU = torch.device("cpu")
PROMPT = "a red mushroom"


@pytest.fixture(scope="module")
def oracle() -> OracleTeacher:
    return OracleTeacher(16, jitters=1)


def recipe(**changes) -> Lift3D:
    return dataclasses.replace(tiny(PROMPT, 0), guidance=1.0, **changes)


def test_a_prompt_becomes_the_right_mesh(oracle, tmp_path):
    """120 steps at 16 px already overlap with the truth, and overlap less with another object's."""
    made = recipe(steps=120, sparsity=1.0)
    *_, end = optimize(made.build(oracle, CPU), steps=made.steps, out=tmp_path)
    assert isinstance(end, Finished)
    mesh = load(tmp_path / "mesh.glb")

    def overlap(prompt: str) -> float:
        return iou(mesh.vertices, mesh.faces, truth(VOCABULARY.parse(prompt)).inside, 48)

    assert overlap(PROMPT) > 0.5
    assert overlap(PROMPT) > overlap("a red chair") + 0.2
    assert (tmp_path / "turntable.mp4").stat().st_size > 500


def test_resume_is_identical_to_the_bit(oracle, tmp_path):
    made = recipe()
    straight = made.build(oracle, CPU)
    list(optimize(straight, steps=made.steps, out=tmp_path / "a"))
    halted = made.build(oracle, CPU)
    asked = iter(range(1000))
    list(optimize(halted, steps=made.steps, out=tmp_path / "b", stop=lambda: next(asked) >= 7))
    again = made.build(oracle, CPU)
    start = restore(again, tmp_path / "b")
    assert start == 7
    list(optimize(again, steps=made.steps, out=tmp_path / "b", start=start))
    one, other = straight.state_dict(), again.state_dict()
    assert torch.equal(one["generator"], other["generator"])
    for name, tensor in one["scene"].items():
        assert torch.equal(tensor, other["scene"][name]), name
    assert (tmp_path / "a" / "mesh.glb").read_bytes() == (tmp_path / "b" / "mesh.glb").read_bytes()


def test_seed_matters(oracle):
    fields = []
    for seed in (0, 0, 1):
        run = recipe(seed=seed).build(oracle, CPU)
        for index in range(3):
            run.step(index)
        fields.append(run.field.table.detach().clone())
    assert torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])


def test_cameras_come_from_the_teachers_law(oracle, monkeypatch):
    seen = []
    run = recipe().build(oracle, CPU)
    render = run.scene.render
    monkeypatch.setattr(run.scene, "render", lambda views, *a, **k: (seen.append(views), render(views, *a, **k))[1])
    for index in range(4):
        run.step(index)
    law = oracle.cameras
    for views in seen:
        for name in ("azimuth", "elevation", "distance", "fov"):
            low, high = getattr(law, name)
            values = getattr(views, name)
            assert bool(((values >= low - 1e-6) & (values <= high + 1e-6)).all()), name


def test_it_never_reads_the_truth(oracle, tmp_path, monkeypatch):
    """Only the teacher may know the catalog: with its geometry made to raise, a run on stored rows still works."""
    made = recipe()
    run = made.build(oracle, CPU)
    stored = run._guided
    rows = {}

    class Stored:
        def at(self, views):
            rows.setdefault("bound", stored.at(views))
            return rows["bound"]

    run._guided = Stored()
    run.step(0)
    monkeypatch.setattr("distill.catalog.truth.scene", lambda *a: pytest.fail("a generated asset asked for the truth"))
    monkeypatch.setattr("distill.catalog.oracle.scene", lambda *a: pytest.fail("a generated asset asked for the truth"))
    list(optimize(run, steps=made.steps, start=1, out=tmp_path))
    assert (tmp_path / "mesh.glb").exists()


def test_recipe_survives_json():
    made = recipe(negative="a blue cube")
    assert recipe_from_json(recipe_to_json(made)) == made
    data = json.loads(recipe_to_json(made))
    del data["steps"]
    with pytest.raises(ValueError, match="misses steps"):
        recipe_from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"steps": -3}, "steps must be at least 1, got -3"),
        ({"resolutions": ()}, "resolutions"),
        ({"resolutions": (4,)}, "resolutions"),
        ({"turntable": -1}, "turntable"),
        ({"faces": 3}, "faces must be at least 4, got 3"),
        ({"texture": 8}, "texture must be at least 16, got 8"),
        ({"guidance": float("nan")}, "guidance must be a number, got nan"),
        ({"grid_rate": -0.1}, "grid_rate must be a positive number"),
        ({"first_levels": 9}, "first_levels must be between 1 and 8, got 9"),
    ],
)
def test_bad_settings_are_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        dataclasses.replace(tiny(PROMPT, 0), **change)
    assert "\n" not in str(caught.value)


def picture(opacity: float, rgb: float = 0.5) -> Picture:
    shape = (2, 1, 8, 8)
    plane = torch.full(shape, opacity)
    return Picture(torch.full((2, 3, 8, 8), rgb), plane, plane, plane.expand(2, 3, 8, 8))


def fresh_field() -> HashField:
    return HashField(generator=torch.Generator().manual_seed(0))


def test_a_step_with_nan_is_skipped_and_a_row_of_them_ends_the_run(oracle):
    run = recipe().build(oracle, CPU)
    run.step(0)
    before = run.field.table.detach().clone()
    run.recipe = dataclasses.replace(run.recipe, sparsity=float("nan"))
    report = run.step(1)
    assert isinstance(report["health"], Warned)
    assert torch.equal(run.field.table, before)
    with pytest.raises(RunFailed, match="not finite"):
        list(map(run.step, range(2, 20)))


def test_a_vanishing_object_is_revived_twice_then_given_up():
    health, field = Health(), fresh_field()
    bias = float(field.out_bias[0].detach())
    warned = 0
    for index in range(PATIENCE * 2):
        ailment = health.examine(index, field, picture(EMPTY / 2), 1.0)
        warned += ailment.warning is not None
        assert not ailment.fatal
    assert warned == 2
    assert float(field.out_bias[0].detach()) == pytest.approx(bias + 6)
    assert health.thin < 0.2
    fatal = [health.examine(i, field, picture(0.0), 1.0).fatal for i in range(PATIENCE)][-1]
    assert "vanished" in fatal


def test_filling_raises_sparsity_and_glare_warns_once():
    health, field = Health(), fresh_field()
    found = [health.examine(i, field, picture(0.95), 1.0) for i in range(100, 100 + PATIENCE)]
    assert health.thin == 3
    assert found[-1].warning is not None
    assert found[-1].warning.applied
    glare = [health.examine(i, field, picture(0.7, rgb=1.0), 1.0).warning for i in range(200, 240)]
    assert sum(w is not None for w in glare) == 1


def test_a_healthy_picture_is_left_alone():
    health, field = Health(), fresh_field()
    assert all(health.examine(i, field, picture(0.3), 1.0).warning is None for i in range(200))
    assert health.thin == 1


def test_clip_limits_a_burst_and_leaves_usual_steps_alone():
    health, field = Health(), fresh_field()
    for scale in [1.0] * 20 + [100.0]:
        field.table.grad = torch.full_like(field.table, scale)
        before = field.table.grad.clone()
        health.clip(field, 4.0, float(before.norm()))
        ratio = float((field.table.grad / before).mean())
        assert ratio == pytest.approx(1.0 if scale == 1.0 else 0.04, rel=1e-3)


def test_bends_are_second_differences_on_the_object():
    """A tilted plane has none; a bump of h has 1 + 2 + 1 of them along each axis; an edge counts EDGE at most."""
    x = torch.arange(8) / 8  # eighths, so that sums are exact
    plane = (3 + 0.5 * x[:, None] + 0.25 * x).expand(1, 1, 8, 8)
    whole = torch.ones(1, 1, 8, 8)
    black = torch.zeros(1, 3, 8, 8)

    def found(depth: torch.Tensor, opacity: torch.Tensor = whole) -> float:
        return 64 * float(bends(Picture(black, opacity, depth, black)))

    assert found(plane) == pytest.approx(0, abs=1e-4)
    bump = plane.clone()
    bump[..., 4, 4] += 0.03
    assert found(bump) == pytest.approx(2 * 4 * 0.03, rel=1e-3)
    hole = whole.clone()
    hole[..., 4, 4] = 0.5
    assert found(bump, hole) == pytest.approx(0, abs=1e-4)
    step = plane.clone()
    step[..., 4:] += 1.0
    assert found(step) == pytest.approx(8 * 2 * EDGE, rel=1e-3)
    steep = step.clone().requires_grad_(True)
    bends(Picture(black, whole, steep, black)).backward()
    assert steep.grad[..., 3:5].abs().max() < 1e-3  # an edge is not pulled flat


def test_fog_is_pushed_together(oracle):
    """One step on the spread alone makes rays of a fresh, foggy body shallower; its negative, the mutant, deeper."""

    def fog(weight: float) -> float:
        run = dataclasses.replace(recipe(), spread=weight, sparsity=0.0, bend=0.0).build(oracle, CPU)
        views = orbit(2, elevation=0.3, distance=3.2, fov=0.7)
        for _ in range(15):
            seen = run.scene.render(views, 16, background=torch.zeros(3))
            run.optimizer.zero_grad()
            run._regularizer(seen, 0.5).backward()
            run.optimizer.step()
        return float((seen.spread * seen.opacity).mean().detach())

    assert fog(1e4) < 0.9 * fog(0.0)
    assert fog(-1e4) > fog(0.0)
