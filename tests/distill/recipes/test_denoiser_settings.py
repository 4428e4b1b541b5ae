import math

import pytest
import torch

from distill.recipe_json import recipe_from_json, recipe_to_json
from distill.recipes.denoiser import Denoiser, rate_factor

CPU = torch.device("cpu")


def test_recipes_survive_json():
    for recipe in (Denoiser(), Denoiser(data="mine", levels=(16, 32, 16), form="edm")):
        assert recipe_from_json(recipe_to_json(recipe)) == recipe


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": -1}, "batch must be at least 1, got -1"),
        ({"shards": 0}, "shards must be at least 1, got 0"),
        ({"side": 40}, "the picture side must be a multiple of 16, got 40"),
        ({"levels": (16, 20, 16)}, r"features per level must be multiples of 16, got \(16, 20, 16\)"),
        ({"learning_rate": 0.0}, r"learning_rate must be a positive number, got 0\.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a positive number, got nan"),
        ({"half_life": -1.0}, r"half_life must be a positive number, got -1\.0"),
        ({"warmup": -1}, "warmup must be at least 0 steps, got -1"),
        ({"drop": 1.5}, r"drop is a share between 0 and 1, got 1\.5"),
        (
            {"data": "mine", "form": "posterior"},
            "the form posterior draws the catalog's things; for pictures take another",
        ),
        ({"cooldown": -0.1}, r"cooldown is a share between 0 and 1, got -0\.1"),
    ],
)
def test_bad_settings_are_one_clear_line(wrong, message):
    with pytest.raises(ValueError, match=message):
        Denoiser(**wrong)


@pytest.mark.parametrize(("field", "message"), [("process", "unknown process 'x'"), ("form", "unknown form 'x'")])
def test_unknown_names_are_refused(field, message):
    wrong = Denoiser()
    object.__setattr__(wrong, field, "x")  # past the type checker of the tests
    with pytest.raises(ValueError, match=message):
        wrong.__post_init__()


def test_a_folder_without_pictures_is_one_clear_line(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        Denoiser(data=str(tmp_path), side=16).build(None, CPU)


def test_learning_rate_rises_stays_and_falls():
    rates = [rate_factor(i, 100, 10, 0.4) for i in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[9:61] == [1.0] * 52
    assert rates[61:] == pytest.approx([(100 - i) / 40 for i in range(61, 100)])
    assert rate_factor(0, 100, 0, 0.0) == rate_factor(99, 100, 0, 0.0) == 1.0
    assert max(rate_factor(i, 20, 15, 1.0) for i in range(20)) == 0.6  # where the two slopes meet
