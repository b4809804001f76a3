"""A resumed run reports changed inputs, and continues only with permission."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import META_FILE, check_inputs, describe_inputs, list_changes, saved_states
from cg2_training.trainer import Trainer

Raw = dict[str, Any]


def with_value(raw: Raw, name: str, value: object) -> Recipe:
    section, _, key = name.partition(".")
    return Recipe.from_dict({**raw, section: {**raw[section], key: value}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run.seed", 99),
        ("run.rows_per_step", 8),
        ("run.precision", "float32"),
        ("run.int4_share", 0.5),
        ("optimizer.name", "muon"),
        ("optimizer.lr", 0.5),
        ("optimizer.schedule", "wsd"),
        ("optimizer.warmup_steps", 3),
        ("objective.infill_share", 0.25),
        ("objective.max_spans", 2),
        ("objective.infill", "psm"),
        ("objective.prefix_lm", True),
    ],
)
def test_a_changed_setting_is_named(recipe: Raw, shard: TokenShard, name: str, value: object) -> None:
    recipe["model"] |= {"n_embd": 64, "rotary_dim": 16}
    before = describe_inputs(Recipe.from_dict(recipe), shard, shard)
    now = describe_inputs(with_value(recipe, name, value), shard, shard)
    (found,) = list_changes(before, now)
    assert found.startswith(f"{name} was ")
    assert found.endswith(f" and is {value!r}")
    assert list_changes(before, before) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run.steps", 99),
        ("run.save_every", 1),
        ("run.evaluate_rows", 9),
        ("run.threads", 2),
        ("run.loaders", 3),
    ],
)
def test_settings_that_affect_no_step_may_change(
    recipe: Raw, shard: TokenShard, name: str, value: object
) -> None:
    before = describe_inputs(Recipe.from_dict(recipe), shard, shard)
    assert list_changes(before, describe_inputs(with_value(recipe, name, value), shard, shard)) == []


def test_other_tokens_are_named(recipe: Raw, shard: TokenShard) -> None:
    toy = Recipe.from_dict(recipe)
    other = dataclasses.replace(shard, tokens=np.array(shard.tokens)[::-1].copy())
    before = describe_inputs(toy, shard, shard)
    assert list_changes(before, describe_inputs(toy, other, shard)) == ["the --train tokens are different"]
    assert list_changes(before, describe_inputs(toy, shard, other)) == ["the --heldout tokens are different"]
    two = ShardSet({"all": shard, "more": shard})
    assert list_changes(before, describe_inputs(toy, two, shard)) == ["the --train tokens are different"]


def test_a_mixture_that_changes_is_named(recipe: Raw, shard: TokenShard) -> None:
    def mixed(weight: float) -> Raw:
        data = {"code": {"weight": weight}, "text": {"weight": 1.0}}
        return describe_inputs(Recipe.from_dict(recipe | {"data": data}), shard, shard)

    (found,) = list_changes(mixed(1.0), mixed(2.0))
    assert found.startswith("data.code was ")


def test_a_state_from_before_this_was_noted_is_compared_by_its_recipe(
    recipe: Raw, shard: TokenShard, tmp_path: Path
) -> None:
    state = tmp_path / "states" / "00000001"
    state.mkdir(parents=True)
    toy = Recipe.from_dict(recipe)
    (state / META_FILE).write_text(json.dumps({"step": 1, "world": 1, "recipe": toy.to_dict()}))
    accepted = check_inputs(tmp_path, describe_inputs(toy, shard, shard), accept_changes=True)
    assert accepted == ["rows are made by a newer version"]


@pytest.fixture(scope="module")
def trained(shard: TokenShard, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Raw], Path]:
    """A folder of a run of the recipe that was killed after step 7, its last state being of step 5."""

    def make(recipe: Raw) -> Path:
        run = tmp_path_factory.mktemp("run")
        trainer = Trainer(Recipe.from_dict(recipe), shard, shard, run)

        class KilledError(Exception):
            pass

        def kill(recipe: Recipe, done: int, _step_s: float) -> Recipe:
            if done == 8:
                raise KilledError
            return recipe

        with pytest.raises(KilledError):
            trainer.fit(progress=False, adjust_length=kill)
        return run

    return make


def test_a_run_with_other_inputs_is_refused_in_one_sentence(
    recipe: Raw, shard: TokenShard, trained: Callable[[Raw], Path]
) -> None:
    run = trained(recipe)
    recipe["run"]["seed"], recipe["objective"]["max_spans"] = 5, 2
    with pytest.raises(TrainingError) as refused:
        Trainer(Recipe.from_dict(recipe), shard, shard, run)
    assert str(refused.value) == (
        f"{run} cannot be resumed, since its inputs changed: run.seed was 1234 and is 5; objective.max_spans was 3 and"
        " is 2; accept this with --accept-changes, or choose another --run folder."
    )


@pytest.mark.parametrize("other", ["muon", "adamw8bit"])
def test_a_run_resumes_with_another_optimizer_if_accepted(
    recipe: Raw, shard: TokenShard, trained: Callable[[Raw], Path], other: str
) -> None:
    run = trained(recipe)
    recipe["optimizer"]["name"] = other
    again = Trainer(Recipe.from_dict(recipe), shard, shard, run, accept_changes=True)
    assert again.changes == [f"optimizer.name was 'adamw' and is {other!r}"]
    assert again.done == 5
    again.fit(progress=False)
    assert again.done == 12


def test_the_log_contains_every_step_once_after_a_kill(
    recipe: Raw, shard: TokenShard, trained: Callable[[Raw], Path]
) -> None:
    run = trained(recipe)
    log = run / "log.jsonl"
    with log.open("a") as lines:
        lines.write('{"step": 8, "lo')
    assert read_log(log)[-1]["step"] == 7
    again = Trainer(Recipe.from_dict(recipe), shard, shard, run)
    assert again.done == 5
    again.fit(progress=False)
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_a_run_resumes_with_its_number_of_threads(
    recipe: Raw, shard: TokenShard, trained: Callable[[Raw], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(recipe)
    assert json.loads((saved_states(run)[-1] / META_FILE).read_text())["threads"] == 1
    recipe["run"]["threads"] = 0
    monkeypatch.setattr("cg2_training.run.hardware.DEFAULT_THREADS", 7)
    monkeypatch.setattr("cg2_training.run.hardware._load", lambda: 0.0)
    again = Trainer(Recipe.from_dict(recipe), shard, shard, run)
    assert again.threads.count == 1
    assert "as before" in str(again.threads)


def test_too_little_held_out_is_named_before_the_first_step(
    recipe: Raw, shard: TokenShard, tmp_path: Path
) -> None:
    few = dataclasses.replace(shard, tokens=shard.tokens[:100])
    with pytest.raises(TrainingError, match="held-out tokens of all are 100, fewer than two rows of 64"):
        Trainer(Recipe.from_dict(recipe), shard, few, tmp_path)
