import json
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from distill import recipe_json
from distill.recipe_json import recipe_from_json, recipe_to_json
from distill.recipes.quadratic import Quadratic


def test_round_trip():
    recipe = Quadratic(steps=3, seed=9, pause=0.1)
    assert recipe_from_json(recipe_to_json(recipe)) == recipe


def change(**changes) -> str:
    data = json.loads(recipe_to_json(Quadratic()))
    data.update(changes)
    return json.dumps({k: v for k, v in data.items() if v != "gone"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (change(color="red"), "Quadratic has unknown color"),
        (change(seed="gone"), "Quadratic misses seed"),
        (change(seed="seven"), r"recipe.seed: expected int, got 'seven'"),
        (change(seed=True), r"recipe.seed: expected int, got True"),
        (change(steps=2.5), r"recipe.steps: expected int, got 2.5"),
        (change(steps=0), "steps must be at least 1"),
        (change(**{"is": "os.path.join"}), "this version knows no 'os.path.join'"),
        (change(**{"is": "distill.recipes.nothing.Nothing"}), "knows no 'distill.recipes.nothing.Nothing'"),
        (change(**{"is": "distill.events.Saved"}), "Saved"),
        (change(**{"is": "gone"}), 'expected an object with "is"'),
        ("[1]", 'expected an object with "is"'),
        ('{"is": ', "not JSON"),
    ],
)
def test_anything_else_is_one_clear_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        recipe_from_json(text)
    assert "\n" not in str(caught.value)


def test_a_dataclass_that_is_no_recipe_is_refused():
    with pytest.raises(ValueError, match=r"distill\.events\.Saved is not a recipe"):
        recipe_from_json('{"is": "distill.events.Saved", "step": 1, "path": "x"}')


@dataclass(frozen=True)
class Inner:
    power: float
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    mode: Literal["a", "b"] = "a"
    pair: tuple[float, str] = (1.0, "x")
    limit: float | None = None

    steps: int = 1
    seed: int = 0

    def build(self, teacher, device, /): ...


def test_nested_and_tuple_fields(monkeypatch):
    monkeypatch.setattr(recipe_json, "PACKAGES", (*recipe_json.PACKAGES, Outer.__module__.split(".")[0]))
    outer = Outer(Inner(2.0, (1, 2, 3)), "b", (0.5, "y"), 3.0)
    for recipe in (outer, replace(outer, limit=None)):
        assert recipe_from_json(recipe_to_json(recipe)) == recipe
    for wrong in ('"mode": "c"', '"mode": 1'):
        with pytest.raises(ValueError, match=r"recipe\.mode"):
            recipe_from_json(recipe_to_json(outer).replace('"mode": "b"', wrong))
    with pytest.raises(ValueError, match=r"recipe\.pair"):
        recipe_from_json(recipe_to_json(outer).replace('"y"', '"y", 3'))


def test_what_json_would_not_give_back_is_refused():
    with pytest.raises(ValueError, match=r"recipe\.limit: a set cannot be written"):
        recipe_to_json(Outer(Inner(1.0), limit=OUTSIDE))


OUTSIDE = {1, 2}
