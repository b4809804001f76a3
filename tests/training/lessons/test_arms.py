"""The arms of each lesson, as a table."""

from __future__ import annotations

import pytest

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import (
    ARMS,
    LESSONS,
    MIXTURES,
    SIZES,
    arm_recipe,
    arms_of,
    lessons_of,
    size_recipe,
)
from cg2_training.lessons.scores import MEASURES
from cg2ls.models.codegen2 import CodeTokenizer


@pytest.mark.parametrize(
    ("number", "arms"),
    [
        (1, ("mixture", "prefix")),
        (2, ("causal", "psm")),
        (3, ("ul2", "mixture", "causal")),
        (4, ("mixture", "half", "text")),
        (5, ("epochs1", "repeat16", "epochs4", "mixture", "repeat4")),
    ],
)
def test_a_lesson_compares_these_arms(number: int, arms: tuple[str, ...]) -> None:
    assert LESSONS[number].arms == arms


@pytest.mark.parametrize(
    ("arm", "infill_share", "infill", "prefix_lm"),
    [
        ("causal", 0.0, "span_corruption", False),
        ("mixture", 0.5, "span_corruption", False),
        ("psm", 0.5, "psm", False),
        ("prefix", 0.5, "span_corruption", True),
        ("ul2", 0.5, "ul2", False),
    ],
)
def test_an_arm_changes_only_its_objective(
    arm: str, infill_share: float, infill: str, prefix_lm: bool, tokenizer: CodeTokenizer
) -> None:
    full = size_recipe("2m", tokenizer)
    recipe = arm_recipe(full, ARMS[arm], 3, {"code": 1.0}).to_dict()
    mixture = arm_recipe(full, ARMS["mixture"], 3, {"code": 1.0}).to_dict()
    found = recipe["objective"]
    assert (found["infill_share"], found["infill"], found["prefix_lm"]) == (infill_share, infill, prefix_lm)
    for section in ("model", "run", "optimizer", "data"):
        assert recipe[section] == mixture[section]
    assert recipe["run"]["seed"] == 3


def test_arms_that_lessons_share_are_trained_once() -> None:
    names = [arm.name for arm in arms_of([*lessons_of([]), MIXTURES])]
    assert sorted(names) == sorted(ARMS)
    assert [arm.name for arm in arms_of(lessons_of([3, 2, 2]))] == ["causal", "mixture", "psm", "ul2"]


def test_every_comparison_has_arms_and_a_measure() -> None:
    for lesson in [*LESSONS.values(), MIXTURES]:
        for one in lesson.comparisons:
            assert {one.arm, one.baseline} <= set(ARMS)
            domain, _, measure = one.measure.partition("/")
            assert domain in {"code", "text"}
            assert measure in MEASURES


@pytest.mark.parametrize("size", SIZES)
def test_every_arm_has_a_recipe_at_every_size(size: str, tokenizer: CodeTokenizer) -> None:
    full = size_recipe(size, tokenizer, ["model.n_masks=100"])
    for arm in ARMS.values():
        run = arm_recipe(full, arm, 1, {"code": 1.0}).run
        assert run.steps == full["run"]["steps"] // arm.steps_divisor
        assert run.rows_per_step == full["run"]["rows_per_step"]


def test_repeated_tokens_cost_the_epochs_that_an_arm_is_named_for() -> None:
    epochs = {arm.name: arm.data_divisor // arm.steps_divisor for arm in ARMS.values()}
    assert {name: epochs[name] for name in ("mixture", "repeat4", "repeat16", "epochs4", "epochs1")} == {
        "mixture": 1,
        "repeat4": 4,
        "repeat16": 16,
        "epochs4": 4,
        "epochs1": 1,
    }


def test_an_unknown_lesson_is_refused() -> None:
    with pytest.raises(
        TrainingError, match=r"^there is no lesson 6; choose from 1, 2, 3, 4, 5 and mixtures\.$"
    ):
        lessons_of([2, 6])


@pytest.mark.parametrize(
    ("size", "overrides", "says"),
    [
        ("3m", (), "there is no size '3m'; choose from 2m, 9m, 27m, 125m."),
        ("2m", ("run.stepz=3",), "lessons-2m: [run]: unknown key 'stepz'"),
        ("2m", ("run.steps",), "must look like section.key=value"),
    ],
)
def test_an_impossible_recipe_is_reported_in_one_sentence(
    size: str, overrides: tuple[str, ...], says: str, tokenizer: CodeTokenizer
) -> None:
    with pytest.raises(TrainingError) as refused:
        size_recipe(size, tokenizer, overrides)
    assert says in str(refused.value)
