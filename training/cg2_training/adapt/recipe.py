"""Recipe of an adaptation: a low learning rate, and a length and sizes that fit the given time; early stopping."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from cg2_training.evaluate.losses import Evaluation
from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer

ROWS_PER_STEP = 8
"""Rows of a step; steps are small, since a repository has few rows."""

MIN_COMPILED_TOKENS = 300_000
"""Minimum training tokens for which compiling the model saves time (it takes half a minute)."""

EVALUATIONS_PER_RUN = 8
"""Evaluations of a run that is not stopped early."""

MAX_EVALUATED_ROWS = 16
"""Maximum held-out rows of each kind for evaluations during training; the final figures use more."""

LEARNING_RATE = 5e-4
"""Peak learning rate, after a new warm-up from zero (Gupta et al. 2023, arXiv 2308.04014)."""

Clock = Callable[[], float]

MAX_MEASURED_ROWS = 256
"""Maximum held-out rows of each kind for the final figures."""

MEASURED_SHARE = 0.2
"""Share of the minutes for the final figures of both models and for quantizing."""

EVALUATED_SHARE = 0.25
"""Share of the minutes for evaluations during training."""

ROW_KINDS = 2
"""Kinds of held-out rows: causal and infill."""

TRAINING_COST = 3
"""Approximate time of training on a row over that of scoring it: the backward pass costs two forward passes."""

MIN_STEPS = 24
"""Minimum steps of a run, so that the learning rate can rise and fall; fewer rows per step make this possible."""

MIN_ROWS = 2
"""Minimum held-out rows for a meaningful score."""

PLANNED_TIME_SHARE = 0.92
"""Share of the remaining time that is planned; saving needs time too, and a machine may slow down."""

MIN_MEASURED_STEPS = 2
"""Steps of a call before its speed is used; the first may compile the model."""


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """Options of an adaptation.

    Attributes:
        language: LSP id of the files to read and measure on.
        share: share of the text to hold out.
        epochs: passes over the files if nothing stops the run early.
        minutes: approximate maximum of the total time; the time not needed for the final figures is for training.
        precision: precision of the model folder.
        seed: seed of the order and the corruptions.
        threads: CPU threads; 0 chooses them automatically.
        progress: whether to show progress bars.
    """

    language: str = "python"
    share: float = 0.1
    epochs: float = 3.0
    minutes: float = 10.0
    precision: str = "int8"
    seed: int = 1234
    threads: int = 0
    progress: bool = True


@dataclass(frozen=True)
class Sizes:
    """Sizes that depend on the speed of the machine.

    Attributes:
        rows_per_step: rows of a step.
        evaluate_rows: held-out rows of each kind during training.
        measure_rows: held-out rows of each kind for the final figures.
    """

    rows_per_step: int = ROWS_PER_STEP
    evaluate_rows: int = MAX_EVALUATED_ROWS
    measure_rows: int = MAX_MEASURED_ROWS


def evaluation_interval(steps: int) -> int:
    """Return the steps between the evaluations of a run with this many steps."""
    return max(1, steps // EVALUATIONS_PER_RUN)


def shorten_recipe(recipe: Recipe, steps: int, before: Recipe, min_every: int) -> Recipe:
    """Return the recipe for fewer steps, with a shorter warm-up.

    Args:
        recipe: recipe of the full length.
        steps: new number of steps.
        before: current recipe; its evaluation interval is kept unless the number of evaluations would be far from
            `EVALUATIONS_PER_RUN`.
        min_every: minimum steps between two evaluations.
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
    options: AdaptOptions,
    sizes: Sizes,
    *,
    tokens: int,
) -> Recipe:
    """Make the recipe for a repository.

    Args:
        name: name of the new model.
        config: architecture of the base model.
        tokenizer: tokenizer of the base model.
        options: options of the adaptation.
        sizes: rows of a step and of an evaluation.
        tokens: tokens in the training files.
    """
    steps = max(10, round(options.epochs * tokens / (sizes.rows_per_step * config.n_positions)))
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
            rows_per_step=sizes.rows_per_step,
            seed=options.seed,
            save_every=every,
            evaluate_every=every,
            evaluate_rows=sizes.evaluate_rows,
            served_places=0,
            loaders=0,
            threads=options.threads,
            compile=options.epochs * tokens > MIN_COMPILED_TOKENS and shutil.which("c++") is not None,
        ),
    )


def choose_sizes(row_s: float, minutes: float) -> Sizes:
    """Choose the sizes for a machine that scores a row in `row_s` seconds, within the given minutes."""
    seconds = 60 * minutes
    training = seconds * (1 - MEASURED_SHARE - EVALUATED_SHARE)
    rows = ROWS_PER_STEP
    while rows > 1 and MIN_STEPS * rows * TRAINING_COST * row_s > training:
        rows //= 2
    evaluation_s = seconds * EVALUATED_SHARE / (ROW_KINDS * (EVALUATIONS_PER_RUN + 1))
    measuring_s = seconds * MEASURED_SHARE / (ROW_KINDS * 2)
    evaluated = _rows_that_fit(evaluation_s, row_s, MAX_EVALUATED_ROWS)
    return Sizes(rows, evaluated, max(evaluated, _rows_that_fit(measuring_s, row_s, MAX_MEASURED_ROWS)))


def _rows_that_fit(seconds: float, row_s: float, max_rows: int) -> int:
    return max(MIN_ROWS, min(max_rows, int(seconds / max(row_s, 1e-9))))


def load_or_choose_sizes(file: Path, measure: Callable[[], float], minutes: float) -> Sizes:
    """Load the sizes saved by an earlier call, or choose them from the seconds of a row and save them."""
    if not file.exists():
        write_atomically(file, json.dumps(asdict(choose_sizes(measure(), minutes))))
    return Sizes(**json.loads(file.read_text(encoding="utf-8")))


class Pacer:
    """Callback after every step that fits the run's length, so that it ends in time with a low learning rate.

    If the recipe's own length fits, it stays, and the run's results do not depend on the clock.
    """

    def __init__(self, recipe: Recipe, deadline: float, evaluation_s: float, clock: Clock) -> None:
        """Set the limits.

        Args:
            recipe: recipe of the full length.
            deadline: value of `clock` at which training must be finished.
            evaluation_s: seconds of an evaluation.
            clock: clock in seconds.
        """
        self._recipe, self._deadline, self._evaluation_s, self._clock = recipe, deadline, evaluation_s, clock
        self._calls = 0

    def __call__(self, recipe: Recipe, done: int, step_s: float) -> Recipe:
        """Return the recipe to continue with after `done` steps of `step_s` seconds each."""
        self._calls += 1
        seconds_left = self._deadline - self._clock() - self._evaluation_s
        # Enough steps between two evaluations that the steps take three quarters of the time.
        min_every = max(1, math.ceil(3 * self._evaluation_s / max(step_s, 1e-9)))
        cost = step_s + self._evaluation_s / max(recipe.run.evaluate_every, min_every)
        if self._calls < MIN_MEASURED_STEPS and seconds_left > cost:
            return recipe
        more = max(0, math.floor(PLANNED_TIME_SHARE * seconds_left / cost)) if seconds_left > 0 else 0
        steps = min(self._recipe.run.steps, done + more)
        return recipe if steps == recipe.run.steps else shorten_recipe(self._recipe, steps, recipe, min_every)


PATIENCE = 3
"""Consecutive evaluations without improvement after which a run ends."""


def stopping_score(evaluation: Evaluation) -> float:
    """Return the score to minimize: the mean of causal and infill nats per token."""
    return (evaluation.causal_nats + evaluation.infill_nats) / 2


@dataclass
class EarlyStopping:
    """`ShouldContinue` callback that keeps the best weights and ends a run without improvement (Prechelt 1998).

    Attributes:
        best: best score so far, initially that of the weights before the first step.
        on_best: called when the current weights become the best.
        best_step: step of the best weights; 0 for those before the first step.
        failures: evaluations since the best one.
    """

    best: float
    on_best: Callable[[], None]
    best_step: int = 0
    failures: int = 0

    def __call__(self, step: int, evaluation: Evaluation) -> bool:
        """Record an evaluation; tell whether to continue."""
        if self._record(step, evaluation):
            self.on_best()
        return self.should_continue

    @property
    def should_continue(self) -> bool:
        """Whether to continue training."""
        return self.failures < PATIENCE

    def replay_log(self, entries: Sequence[Mapping[str, Any]], done: int) -> None:
        """Record the evaluations in a run's log up to the step that it resumes from."""
        names = {field.name for field in fields(Evaluation)}
        for entry in entries:
            if "heldout" in entry and entry["step"] <= done:
                known = {name: value for name, value in entry["heldout"].items() if name in names}
                self._record(entry["step"], Evaluation(**known))

    def _record(self, step: int, evaluation: Evaluation) -> bool:
        better = stopping_score(evaluation) < self.best
        if better:
            self.best, self.best_step, self.failures = stopping_score(evaluation), step, 0
        else:
            self.failures += 1
        return better
