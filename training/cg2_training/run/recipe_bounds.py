"""Allowed ranges of the numbers in a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

POSITIVE = (
    "model.n_layer",
    "model.n_embd",
    "model.n_head",
    "model.vocab_size",
    "model.n_masks",
    "model.qkv_groups",
    "optimizer.lr",
    "optimizer.muon_lr",
    "optimizer.clip",
    "run.steps",
    "run.rows_per_step",
    "run.save_every",
    "run.evaluate_every",
    "run.evaluate_rows",
)
"""Numbers that must be above 0."""

NOT_NEGATIVE = (
    "model.rotary_dim",
    "optimizer.warmup_steps",
    "optimizer.weight_decay",
    "optimizer.z_loss",
    "run.rows_per_pass",
    "run.served_places",
    "run.loaders",
    "run.seed",
    "run.threads",
)
"""Numbers that must be at least 0."""

SHARES = ("optimizer.final_lr_ratio", "optimizer.tail_share", "optimizer.decay_share", "run.int4_share")
"""Numbers from 0 to 1."""

MOMENTUMS = ("optimizer.beta1", "optimizer.beta2")
"""Numbers from 0 to below 1."""

MIN_CONTEXT = 16
"""Minimum length of a training row in tokens."""


def find_bounds_problem(recipe: Mapping[str, Any]) -> str:
    """Return a sentence about the first number out of bounds; "" if there is none.

    Args:
        recipe: sections of the recipe as tables.
    """
    values = {
        f"{section}.{key}": value
        for section, table in recipe.items()
        if isinstance(table, Mapping)
        for key, value in table.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for name, value in values.items():
        if not math.isfinite(value):
            return f"{name} is {value}, but must be a finite number."
    for name in POSITIVE:
        if values[name] <= 0:
            return f"{name} is {values[name]}, but must be above 0."
    for name in NOT_NEGATIVE:
        if values[name] < 0:
            return f"{name} is {values[name]}, but must be at least 0."
    for name in SHARES:
        if not 0 <= values[name] <= 1:
            return f"{name} is {values[name]}, but must be from 0 to 1."
    for name in MOMENTUMS:
        if not 0 <= values[name] < 1:
            return f"{name} is {values[name]}, but must be from 0 to below 1."
    if values["model.context_length"] < MIN_CONTEXT:
        return (
            f"model.context_length is {values['model.context_length']}, but must be at least {MIN_CONTEXT}."
        )
    return ""
