from dataclasses import replace

import pytest

from app import presets
from app.errors import UserError
from distill.recipe_json import recipe_from_json, recipe_to_json
from guidance.objectives.csd import CSD


@pytest.mark.parametrize("name", ["draft", "standard", "high", "test"])
def test_every_quality_survives_its_config_file(name):
    recipe = presets.find(name)("a red cube", 7)
    assert (recipe.prompt, recipe.seed) == ("a red cube", 7)
    assert recipe_from_json(recipe_to_json(recipe)) == recipe


def test_the_test_quality_is_hidden():
    with pytest.raises(UserError) as caught:
        presets.find("best")
    assert str(caught.value) == "unknown quality 'best'; known: draft, standard, high"


def test_what_knows_the_truth_is_not_pushed_past_it():
    usual = presets.find("draft")("a cube", 3)
    assert presets.asked_for("a cube", 3, "draft", "embedded") == usual
    assert presets.asked_for("a cube", 3, "draft", "oracle-16") == replace(usual, guidance=1.0)
    assert presets.asked_for("a cube", 3, "draft", "oracle-16", guidance=2.0, steps=7) == replace(
        usual, guidance=2.0, steps=7
    )


def test_the_command_line_overrides():
    recipe = presets.standard("a red cube", 0)
    assert presets.changed(recipe, None, None) == recipe
    assert presets.changed(recipe, 5, None).steps == 5
    assert presets.changed(recipe, None, "csd").objective == CSD()
    assert presets.changed(recipe, guidance=2.0).guidance == 2
    assert presets.changed(recipe, None, "sds").objective == recipe.objective
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        presets.changed(recipe, 0, None)
    with pytest.raises(ValueError, match="known: csd, sds, sjc"):
        presets.changed(recipe, None, "magic")
