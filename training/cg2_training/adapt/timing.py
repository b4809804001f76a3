"""How an adaptation keeps to its minutes: sizes that fit the machine, and a length that follows its speed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cg2_training.adapt.recipe import EVALUATED_ROWS, EVALUATIONS, ROWS, shortened
from cg2_training.run.recipe import Recipe
from cg2ls.files import write_atomically

Clock = Callable[[], float]

MEASURED_ROWS = 256
"""Most held-out rows of each kind that the final figures come from."""

MEASURED_SHARE = 0.2
"""Of the minutes, for the final figures of both models and for quantizing."""

EVALUATED_SHARE = 0.25
"""Of the minutes, for the evaluations on the way."""

KINDS = 2
"""Held-out rows are scored as continuation and as infill."""

TRAINING_COST = 3
"""Seconds of training on a row over those of scoring it, about: the backward pass costs two forward passes."""

MIN_STEPS = 24
"""Steps that a run should have, so that the learning rate can rise and fall; rows of a step are fewer otherwise."""

MIN_ROWS = 2
"""Held-out rows below which a score says nothing."""

SPARE = 0.92
"""Share of the time left that is planned for: saving comes on top, and a machine may get slower."""

BELIEVED = 2
"""Steps of a call before its speed is believed; the first may compile the model."""


@dataclass(frozen=True)
class Sizes:
    """What the speed of a machine decides.

    Attributes:
        rows_per_step: rows of a step.
        evaluate_rows: held-out rows of each kind, on the way.
        measure_rows: held-out rows of each kind, for the final figures.
    """

    rows_per_step: int = ROWS
    evaluate_rows: int = EVALUATED_ROWS
    measure_rows: int = MEASURED_ROWS


def sizes_for(row_s: float, minutes: float) -> Sizes:
    """The sizes for a machine that scores a row in `row_s` seconds and has so many minutes."""
    seconds = 60 * minutes
    training = seconds * (1 - MEASURED_SHARE - EVALUATED_SHARE)
    rows = ROWS
    while rows > 1 and MIN_STEPS * rows * TRAINING_COST * row_s > training:
        rows //= 2
    on_the_way = seconds * EVALUATED_SHARE / (KINDS * (EVALUATIONS + 1))
    in_the_end = seconds * MEASURED_SHARE / (KINDS * 2)
    evaluated = _that_fit(on_the_way, row_s, EVALUATED_ROWS)
    return Sizes(rows, evaluated, max(evaluated, _that_fit(in_the_end, row_s, MEASURED_ROWS)))


def _that_fit(seconds: float, row_s: float, most: int) -> int:
    return max(MIN_ROWS, min(most, int(seconds / max(row_s, 1e-9))))


def settled_sizes(file: Path, measure: Callable[[], float], minutes: float) -> Sizes:
    """The sizes that a call before this one settled on, else those for what `measure` says that a row takes."""
    if not file.exists():
        write_atomically(file, json.dumps(asdict(sizes_for(measure(), minutes))))
    return Sizes(**json.loads(file.read_text(encoding="utf-8")))


class Pacer:
    """Says after every step how long the run is to be, so that it ends in time with its learning rate low.

    Where the recipe's own length fits, it stays, and what the run computes does not depend on the clock.
    """

    def __init__(self, recipe: Recipe, deadline: float, evaluation_s: float, clock: Clock) -> None:
        """Prepares.

        Args:
            recipe: of the length that nothing but time may shorten.
            deadline: value of `clock` at which training has to be over.
            evaluation_s: seconds of an evaluation.
            clock: seconds.
        """
        self._recipe, self._deadline, self._evaluation_s, self._clock = recipe, deadline, evaluation_s, clock
        self._calls = 0

    def __call__(self, recipe: Recipe, done: int, step_s: float) -> Recipe:
        """The recipe to go on by after `done` steps, of `step_s` seconds each."""
        self._calls += 1
        left = self._deadline - self._clock() - self._evaluation_s
        # Between two evaluations so many steps that these take three quarters of the time.
        min_every = max(1, math.ceil(3 * self._evaluation_s / max(step_s, 1e-9)))
        cost = step_s + self._evaluation_s / max(recipe.run.evaluate_every, min_every)
        if self._calls < BELIEVED and left > cost:
            return recipe
        more = max(0, math.floor(SPARE * left / cost)) if left > 0 else 0
        steps = min(self._recipe.run.steps, done + more)
        return recipe if steps == recipe.run.steps else shortened(self._recipe, steps, recipe, min_every)
