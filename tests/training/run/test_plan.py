"""A plan estimates what a run needs by simple sums, and warns before it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.data.shards import TokenShard
from cg2_training.run.plan import GIB, make_plan
from cg2_training.run.recipe import Recipe

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
PUBLISHED = {
    "codegen2-1b": (1_015_306_240, 8),
    "codegen2-3.7b": (3_641_174_016, 8),
    "codegen2-7b": (6_862_858_240, 4),
    "codegen2-16b": (16_032_155_648, 4),
}
"""Parameters and qkv groups of the published checkpoints."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_sizes_have_their_shapes(name: str) -> None:
    model = Recipe.load(RECIPES / f"{name}.toml").model
    assert (model.config().n_parameters, model.qkv_groups) == PUBLISHED[name]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_planned(path: Path) -> None:
    plan = make_plan(Recipe.load(path), gpu="H200", gpus=8)
    assert plan.total_gib > 0
    assert plan.hours > 0


def test_states_are_shared_among_gpus_and_activations_are_not() -> None:
    recipe = Recipe.load(RECIPES / "codegen2-1b.toml")
    one, eight = (make_plan(recipe, gpu="H100", gpus=count) for count in (1, 8))
    assert one.weights_gib == pytest.approx(6 * 1_015_306_240 / GIB)
    assert one.optimizer_gib == pytest.approx(8 * 1_015_306_240 / GIB)
    assert eight.optimizer_gib == pytest.approx(one.optimizer_gib / 8)
    assert eight.activations_gib == one.activations_gib
    assert eight.hours == pytest.approx(one.hours / 8)


def test_a_run_that_does_not_fit_is_warned_of() -> None:
    recipe = Recipe.load(RECIPES / "codegen2-7b.toml")
    assert any("GiB are needed" in warning for warning in make_plan(recipe, gpu="4090", gpus=2).warnings)
    assert not make_plan(recipe, gpu="H100", gpus=64).warnings


def test_too_many_epochs_are_warned_of() -> None:
    recipe = Recipe.load(RECIPES / "python-125m.toml")
    plan = make_plan(recipe, gpu="H100", gpus=8, epochs={"code": 9.83, "text": 3.9})
    assert any("reads code 9.8 times" in warning for warning in plan.warnings)
    assert not any("text" in warning for warning in plan.warnings)


def test_epochs_are_counted_on_shards(
    shard: TokenShard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = RECIPES / "python-small.toml"
    folder = Path(str(shard.tokens.filename)).parent  # type: ignore[attr-defined]
    main(["plan", str(path), "--train", str(folder), "--set", "model.context_length=64", "--json"])
    rows = 3700 * 12
    expected = rows / ((len(shard.tokens) - 1) // 64 - 1)
    assert json.loads(capsys.readouterr().out)["epochs"] == {"the data": pytest.approx(expected)}


def test_the_command_prints_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    path = RECIPES / "codegen2-7b.toml"
    assert main(["plan", str(path), "--gpu", "H100", "--gpus", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 6_862_858_240
    assert main(["plan", str(path), "--gpu", "4090"]) == 1
    assert "warning:" in capsys.readouterr().out
