"""How long a run may be whose time is given: settled by the speed of its first steps."""

from __future__ import annotations

import math
from dataclasses import replace

from cg2_training.run.plot import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer

SPARE = 0.92
"""Share of the time left that is planned for: evaluations and saves come on top, and a machine may get slower."""


def steps_that_fit(trainer: Trainer, seconds: float) -> int:
    """Steps that the time left suffices for, those done included, at the speed of the last ones."""
    speed = read_log(trainer.run / "log.jsonl")[-1]["tokens_per_s"]
    tokens_per_step = trainer.recipe.run.rows_per_step * trainer.recipe.model.context_length
    more = math.floor(SPARE * max(0.0, seconds) * speed / tokens_per_step)
    return int(trainer.done + max(1, more))


def of_length(recipe: Recipe, steps: int) -> Recipe:
    """The recipe for so many steps. What a "wsd" schedule did before its decay stays right."""
    return replace(recipe, run=replace(recipe.run, steps=steps))
