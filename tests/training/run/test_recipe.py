"""Invalid recipes are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cg2_training.errors import TrainingError
from cg2_training.optim.optimizer import lr_scale
from cg2_training.run.recipe import OptimizerSection, Recipe
from cg2ls.errors import Cg2Error

RECIPES = Path(__file__).parents[3] / "training" / "recipes"


def test_every_committed_recipe_loads() -> None:
    recipes = sorted(RECIPES.glob("*.toml"))
    assert recipes
    for path in recipes:
        assert Recipe.load(path).name == path.stem


def test_a_recipe_is_written_as_a_file_that_reads_back(recipe: dict[str, Any], tmp_path: Path) -> None:
    loaded = Recipe.from_dict(recipe)
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert Recipe.load(tmp_path / "again.toml") == loaded


def test_overrides_win(tmp_path: Path) -> None:
    recipe = Recipe.load(
        RECIPES / "python-small.toml", ["run.seed=7", "optimizer.name=adamw", "model.n_layer=3"]
    )
    assert (recipe.run.seed, recipe.optimizer.name, recipe.model.n_layer) == (7, "adamw", 3)


def test_a_written_recipe_is_read_back(recipe: dict[str, Any]) -> None:
    loaded = Recipe.from_dict(recipe)
    assert Recipe.from_dict(loaded.to_dict()) == loaded


@pytest.mark.parametrize(
    ("section", "change", "says"),
    [
        ("model", {"layers": 3}, "unknown key 'layers'"),
        ("model", {"n_head": 3}, "not divisible|cannot be split"),
        ("run", {"steps": "many"}, "steps must be int"),
        ("run", {"steps": True}, "steps must be int"),
        ("run", {"steps": 2}, "warmup_steps is .*, but must be below run.steps"),
        ("optimizer", {"name": "sgd"}, "choose adamw, adamw8bit, muon"),
        ("optimizer", {"schedule": "step"}, "choose cosine or wsd"),
        ("run", {"precision": "int8"}, "choose auto, bfloat16, float32"),
        ("objective", {"min_mask_ratio": 0.9}, "mask ratios"),
        ("objective", {"max_spans": 99}, "max_spans is 99, but model.n_masks is only 20"),
    ],
)
def test_a_wrong_value_is_named(
    recipe: dict[str, Any], section: str, change: dict[str, Any], says: str
) -> None:
    recipe[section] |= change
    with pytest.raises(Cg2Error, match=says):
        Recipe.from_dict(recipe)


def test_a_missing_key_is_named(recipe: dict[str, Any]) -> None:
    del recipe["run"]["steps"]
    with pytest.raises(TrainingError, match="'steps'"):
        Recipe.from_dict(recipe)


@pytest.mark.parametrize("override", ["steps=3", "run.steps", "run"])
def test_a_malformed_override_is_named(override: str) -> None:
    with pytest.raises(TrainingError, match=r"section\.key=value"):
        Recipe.load(RECIPES / "python-small.toml", [override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not exist"):
        Recipe.load(tmp_path / "none.toml")


@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
def test_the_learning_rate_rises_and_ends_low(schedule: str) -> None:
    config = OptimizerSection(schedule=schedule, warmup_steps=10, final_lr_ratio=0.1, decay_share=0.25)
    scales = [lr_scale(step, 100, config) for step in range(101)]
    assert scales[0] == pytest.approx(0.1)
    assert scales[9] == scales[10] == 1.0
    assert scales[100] == pytest.approx(0.1)
    assert scales[10:] == sorted(scales[10:], reverse=True)
    if schedule == "wsd":
        assert scales[75] == 1.0
        assert scales[76] < 1.0


def test_a_mixture_is_written_and_read_back(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["data"] = {"code": {"weight": 0.5}, "the text": {"weight": 0.5, "epochs": 4.0}}
    loaded = Recipe.from_dict(recipe)
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert Recipe.load(tmp_path / "again.toml") == loaded
    assert Recipe.load(tmp_path / "again.toml", ["data.code.weight=0.9"]).data["code"].weight == 0.9


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"code": 0.5}, r"\[data\] needs a table for each source"),
        ({"code": {"weigth": 1}}, r"\[data.code\]: unknown key 'weigth'"),
        ({"code": {}}, r"\[data.code\]: missing .*weight"),
        ({"code": {"weight": -1}}, "weight and epochs must be at least 0"),
        ({"code": {"weight": 1, "epochs": "all"}}, "epochs must be float, not 'all'"),
    ],
)
def test_an_invalid_mixture_is_named(recipe: dict[str, Any], data: object, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        Recipe.from_dict(recipe | {"data": data})
