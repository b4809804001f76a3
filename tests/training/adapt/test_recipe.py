"""An adaptation's sizes fit the machine, and its length follows the clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.adapt.recipe import (
    LEARNING_RATE,
    MIN_ROWS,
    PATIENCE,
    ROW_KINDS,
    ROWS_PER_STEP,
    EarlyStopping,
    Pacer,
    Sizes,
    choose_sizes,
    evaluation_interval,
    load_or_choose_sizes,
)
from cg2_training.evaluate.losses import Evaluation
from cg2_training.objective import ObjectiveConfig
from cg2_training.optim.optimizer import lr_scale
from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection

MODEL = ModelSection(
    n_layer=1, n_embd=64, n_head=4, rotary_dim=16, context_length=64, vocab_size=512, n_masks=20
)


def recipe_of(steps: int) -> Recipe:
    return Recipe(
        name="toy",
        model=MODEL,
        optimizer=OptimizerSection(
            lr=LEARNING_RATE, schedule="wsd", warmup_steps=min(20, steps // 5), decay_share=0.7
        ),
        run=RunSection(steps=steps, rows_per_step=8, evaluate_every=evaluation_interval(steps)),
        objective=ObjectiveConfig(),
    )


def test_a_fast_machine_gets_the_full_sizes() -> None:
    assert choose_sizes(0.01, 10) == Sizes()
    assert Sizes().rows_per_step == ROWS_PER_STEP


@given(st.floats(1e-6, 100), st.floats(0.1, 600))
def test_sizes_are_at_least_one_and_never_grow_with_slowness(row_s: float, minutes: float) -> None:
    sizes, slower = choose_sizes(row_s, minutes), choose_sizes(2 * row_s, minutes)
    for name in ("rows_per_step", "evaluate_rows", "measure_rows"):
        assert (
            (1 if name == "rows_per_step" else MIN_ROWS)
            <= getattr(slower, name)
            <= getattr(sizes, name)
            <= getattr(Sizes(), name)
        )
    assert sizes.measure_rows == MIN_ROWS or 2 * ROW_KINDS * sizes.measure_rows * row_s <= 60 * minutes * 0.5


def test_sizes_of_the_first_call_are_kept(tmp_path: Path) -> None:
    first = load_or_choose_sizes(tmp_path / "sizes.json", lambda: 5.0, 1)
    assert load_or_choose_sizes(tmp_path / "sizes.json", lambda: 0.001, 1) == first != Sizes()


@given(
    st.integers(10, 400),
    st.lists(st.floats(0.5, 4.0), min_size=400, max_size=400),
    st.floats(10, 2000),
    st.floats(0.1, 3.0),
)
def test_a_run_ends_in_time_with_a_low_learning_rate(
    steps: int, paces: list[float], budget: float, evaluation_s: float
) -> None:
    """Step times vary at random between half and four times the usual time."""
    full = recipe = recipe_of(steps)
    now = 0.0
    pacer = Pacer(full, budget, evaluation_s, lambda: now)
    done, scale, window = 0, 0.0, []
    while done < recipe.run.steps:
        scale = lr_scale(done, recipe.run.steps, recipe.optimizer)
        now += paces[done]
        window = [*window, paces[done]][-20:]
        done += 1
        recipe = pacer(recipe, done, sum(window) / len(window))
        if done % recipe.run.evaluate_every == 0 or done >= recipe.run.steps:
            now += evaluation_s
    assert done <= steps
    assert now <= max(budget, 4.0 + evaluation_s) + 4.0
    if done < steps and done > 10:
        assert scale < 0.6, "the learning rate has come down"


def test_a_length_that_fits_is_not_changed() -> None:
    recipe = recipe_of(100)
    pacer = Pacer(recipe, 10_000.0, 1.0, lambda: 5.0)
    assert all(pacer(recipe, done, 1.0) is recipe for done in range(1, 101))


def test_a_shorter_run_warms_up_faster() -> None:
    recipe = recipe_of(1000)
    pacer = Pacer(recipe, 100.0, 1.0, lambda: 0.0)
    assert pacer(recipe, 1, 5.0) is recipe, "one step says little"
    short = pacer(recipe, 2, 5.0)
    assert 10 < short.run.steps < 25
    assert short.optimizer.warmup_steps == short.run.steps // 5 == pytest.approx(4, abs=1)
    assert short.run.evaluate_every < 5


def evaluation(nats: float) -> Evaluation:
    return Evaluation(bits_per_byte=1.0, causal_nats=nats, infill_nats=nats, rows=1)


def run(scores: list[float]) -> tuple[EarlyStopping, list[int], int]:
    kept: list[int] = []
    stopping = EarlyStopping(best=3.0, on_best=lambda: kept.append(stopping.best_step))
    for step, score in enumerate(scores, start=1):
        if not stopping(step, evaluation(score)):
            return stopping, kept, step
    return stopping, kept, len(scores)


def test_each_new_best_is_kept() -> None:
    stopping, kept, _ = run([2.9, 2.95, 2.8, 2.85])
    assert kept == [1, 3]
    assert (stopping.best_step, stopping.best) == (3, 2.8)


def test_it_ends_after_a_few_failures_in_a_row() -> None:
    _, kept, ended = run([2.9, 2.95, 2.9, 2.91, 2.0])
    assert ended == 1 + PATIENCE
    assert kept == [1]


def test_weights_no_better_than_those_before_are_never_kept() -> None:
    stopping, kept, ended = run([3.0, 3.1, 3.2])
    assert (kept, ended, stopping.best_step) == ([], PATIENCE, 0)


def test_a_resumed_run_replays_its_log() -> None:
    entries = [
        {"step": step, "loss": 1.0, "heldout": vars(evaluation(score))}
        for step, score in [(2, 2.9), (4, 2.95), (6, 2.5), (8, 2.6)]
    ]
    kept: list[int] = []
    stopping = EarlyStopping(best=3.0, on_best=lambda: kept.append(1))
    stopping.replay_log([{"step": 1, "loss": 1.0}, *entries], done=4)
    assert (stopping.best, stopping.best_step, stopping.failures) == (2.9, 2, 1)
    assert not kept, "the weights of that step are there already"
