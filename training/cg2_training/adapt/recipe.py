"""How a model is continued on a repository: gently, and no longer than it pays and the time allows."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer

ROWS_PER_STEP = 8
"""Rows of a step: small steps, since a repository has few."""

MIN_COMPILED_TOKENS = 300_000
"""Tokens to train on from which compiling the model first pays (it takes half a minute)."""

EVALUATIONS_PER_RUN = 8
"""Evaluations of a run that is not stopped early."""

MAX_EVALUATED_ROWS = 16
"""Held-out rows of each kind that a run is judged by on its way; what came of it is judged by all."""

LEARNING_RATE = 5e-4
"""Peak, warmed up again from zero (Gupta et al. 2023, arXiv 2308.04014)."""


def evaluation_interval(steps: int) -> int:
    """Steps between evaluations of a run of so many."""
    return max(1, steps // EVALUATIONS_PER_RUN)


def shorten_recipe(recipe: Recipe, steps: int, before: Recipe, min_every: int) -> Recipe:
    """Return the recipe for fewer steps, warmed up faster.

    Args:
        recipe: of the full length.
        steps: how many there are to be.
        before: the one that was followed so far; evaluations keep its evaluation_interval unless there would be far more of them
            than meant, or far fewer.
        min_every: fewest steps between two evaluations.
    """
    every = before.run.evaluate_every
    if not EVALUATIONS_PER_RUN / 2 <= steps / every <= 2 * EVALUATIONS_PER_RUN:
        every = evaluation_interval(steps)
    every = max(every, min_every)
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, warmup_steps=min(recipe.optimizer.warmup_steps, steps // 5)),
        run=replace(recipe.run, steps=steps, save_every=every, evaluate_every=every),
    )


def make_adapt_recipe(
    name: str,
    config: CodeGenConfig,
    tokenizer: CodeTokenizer,
    *,
    tokens: int,
    epochs: float,
    seed: int,
    rows: int = ROWS_PER_STEP,
    evaluate_rows: int = MAX_EVALUATED_ROWS,
    threads: int = 0,
) -> Recipe:
    """Return the recipe for a repository of so many tokens.

    Args:
        name: of the new model.
        config: of the model to go on from.
        tokenizer: of the same.
        tokens: in the files to train on.
        epochs: how often each is seen if nothing stops the run.
        seed: of the order and the corruptions.
        rows: of a step.
        evaluate_rows: held-out rows of each kind.
        threads: that compute; 0 leaves the choice.
    """
    steps = max(10, round(epochs * tokens / (rows * config.n_positions)))
    every = evaluation_interval(steps)
    return Recipe(
        name=name,
        model=ModelSection(
            n_layer=config.n_layer,
            n_embd=config.n_embd,
            n_head=config.n_head,
            rotary_dim=config.rotary_dim,
            context_length=config.n_positions,
            vocab_size=config.vocab_size,
            n_masks=tokenizer.special.n_masks,
            qkv_groups=config.qkv_groups,
        ),
        optimizer=OptimizerSection(
            lr=LEARNING_RATE,
            schedule="wsd",
            warmup_steps=min(20, steps // 5),
            decay_share=0.7,
            final_lr_ratio=0.1,
        ),
        run=RunSection(
            steps=steps,
            rows_per_step=rows,
            seed=seed,
            save_every=every,
            evaluate_every=every,
            evaluate_rows=evaluate_rows,
            loaders=0,
            threads=threads,
            compile=epochs * tokens > MIN_COMPILED_TOKENS and shutil.which("c++") is not None,
        ),
    )


Clock = Callable[[], float]

MAX_MEASURED_ROWS = 256
"""Most held-out rows of each kind that the final figures come from."""

MEASURED_SHARE = 0.2
"""Of the minutes, for the final figures of both models and for quantizing."""

EVALUATED_SHARE = 0.25
"""Of the minutes, for the evaluations on the way."""

ROW_KINDS = 2
"""Held-out rows are scored as continuation and as infill."""

TRAINING_COST = 3
"""Seconds of training on a row over those of scoring it, about: the backward pass costs two forward passes."""

MIN_STEPS = 24
"""Steps that a run should have, so that the learning rate can rise and fall; rows of a step are fewer otherwise."""

MIN_ROWS = 2
"""Held-out rows below which a score says nothing."""

PLANNED_TIME_SHARE = 0.92
"""Share of the time left that is planned for: saving comes on top, and a machine may get slower."""

MIN_MEASURED_STEPS = 2
"""Steps of a call before its speed is believed; the first may compile the model."""


@dataclass(frozen=True)
class Sizes:
    """What the speed of a machine decides.

    Attributes:
        rows_per_step: rows of a step.
        evaluate_rows: held-out rows of each kind, on the way.
        measure_rows: held-out rows of each kind, for the final figures.
    """

    rows_per_step: int = ROWS_PER_STEP
    evaluate_rows: int = MAX_EVALUATED_ROWS
    measure_rows: int = MAX_MEASURED_ROWS


def choose_sizes(row_s: float, minutes: float) -> Sizes:
    """Return the sizes for a machine that scores a row in `row_s` seconds and has so many minutes."""
    seconds = 60 * minutes
    training = seconds * (1 - MEASURED_SHARE - EVALUATED_SHARE)
    rows = ROWS_PER_STEP
    while rows > 1 and MIN_STEPS * rows * TRAINING_COST * row_s > training:
        rows //= 2
    on_the_way = seconds * EVALUATED_SHARE / (ROW_KINDS * (EVALUATIONS_PER_RUN + 1))
    in_the_end = seconds * MEASURED_SHARE / (ROW_KINDS * 2)
    evaluated = _rows_that_fit(on_the_way, row_s, MAX_EVALUATED_ROWS)
    return Sizes(rows, evaluated, max(evaluated, _rows_that_fit(in_the_end, row_s, MAX_MEASURED_ROWS)))


def _rows_that_fit(seconds: float, row_s: float, most: int) -> int:
    return max(MIN_ROWS, min(most, int(seconds / max(row_s, 1e-9))))


def load_or_choose_sizes(file: Path, measure: Callable[[], float], minutes: float) -> Sizes:
    """Return the sizes that a call before this one settled on, else those for what `measure` says that a row takes."""
    if not file.exists():
        write_atomically(file, json.dumps(asdict(choose_sizes(measure(), minutes))))
    return Sizes(**json.loads(file.read_text(encoding="utf-8")))


class Pacer:
    """Says after every step how long the run is to be, so that it ends in time with its learning rate low.

    Where the recipe's own length fits, it stays, and what the run computes does not depend on the clock.
    """

    def __init__(self, recipe: Recipe, deadline: float, evaluation_s: float, clock: Clock) -> None:
        """Prepare.

        Args:
            recipe: of the length that nothing but time may shorten.
            deadline: value of `clock` at which training has to be over.
            evaluation_s: seconds of an evaluation.
            clock: seconds.
        """
        self._recipe, self._deadline, self._evaluation_s, self._clock = recipe, deadline, evaluation_s, clock
        self._calls = 0

    def __call__(self, recipe: Recipe, done: int, step_s: float) -> Recipe:
        """Return the recipe to go on by after `done` steps, of `step_s` seconds each."""
        self._calls += 1
        left = self._deadline - self._clock() - self._evaluation_s
        # Between two evaluations so many steps that these take three quarters of the time.
        min_every = max(1, math.ceil(3 * self._evaluation_s / max(step_s, 1e-9)))
        cost = step_s + self._evaluation_s / max(recipe.run.evaluate_every, min_every)
        if self._calls < MIN_MEASURED_STEPS and left > cost:
            return recipe
        more = max(0, math.floor(PLANNED_TIME_SHARE * left / cost)) if left > 0 else 0
        steps = min(self._recipe.run.steps, done + more)
        return recipe if steps == recipe.run.steps else shorten_recipe(self._recipe, steps, recipe, min_every)
