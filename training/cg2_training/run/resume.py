"""Check that a resumed run has the inputs that it had before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import META_FILE, saved_states

ROWS_VERSION = 2
"""Version of the way rows are made from text, which is not in the recipe; 1 cut off rows that were too long."""

UNCHECKED_SETTINGS = (
    "name",
    "run.steps",
    "run.save_every",
    "run.evaluate_every",
    "run.evaluate_rows",
    "run.served_places",
    "run.loaders",
    "run.threads",
    "run.compile",
    "run.rows_per_pass",
)
"""Settings that may change between calls: they affect neither the rows nor what a step computes from them.

`run.steps` may change, so that a run can be extended.
"""


def describe_inputs(
    recipe: Recipe, train: TokenShard | ShardSet, heldout: TokenShard | ShardSet
) -> dict[str, Any]:
    """Return what decides a run's steps and scores, for JSON."""
    return {
        "recipe": recipe.to_dict(),
        "rows_version": ROWS_VERSION,
        "train": {name: shard.digest for name, shard in ShardSet.of(train).shards.items()},
        "heldout": {name: shard.digest for name, shard in ShardSet.of(heldout).shards.items()},
    }


def saved_inputs(run: Path) -> dict[str, Any]:
    """Read the inputs of the newest state; older versions saved only a part of them.

    An unreadable state gives an empty table; reading its weights reports the fault.
    """
    states = saved_states(run)
    try:
        meta = json.loads((states[-1] / META_FILE).read_text(encoding="utf-8")) if states else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(meta, dict) or not isinstance(meta.get("recipe"), dict):
        return {}
    return {"rows_version": 1, "train": None, "heldout": None} | meta


def saved_threads(run: Path) -> int:
    """Return the number of threads of the newest state; 0 if unknown."""
    return int(saved_inputs(run).get("threads", 0))


def list_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a description of every changed input; an empty list if the earlier inputs are unknown."""
    if not before:
        return []
    old, new = _recipe_values(before["recipe"]), _recipe_values(now["recipe"])
    # A setting missing in an old state had the meaning of its default, so it did not change.
    differences = [
        f"{name} was {old[name]!r} and is {new[name]!r}"
        for name in new
        if name in old and old[name] != new[name] and name not in UNCHECKED_SETTINGS
    ]
    differences += [
        f"[{name}] is new" for name in _source_names(now) - _source_names(before) if _source_names(before)
    ]
    differences += [f"[{name}] is gone" for name in _source_names(before) - _source_names(now)]
    if before["rows_version"] != now["rows_version"] and now["recipe"]["objective"]["infill_share"]:
        differences.append("rows are made by a newer version")
    for part in ("train", "heldout"):
        if before[part] is not None and before[part] != now[part]:
            differences.append(f"the --{part} tokens are different")
    return differences


def check_inputs(run: Path, now: Mapping[str, Any], *, accept_changes: bool) -> list[str]:
    """Compare a run's inputs with those of its newest state.

    Args:
        run: the run's folder.
        now: result of `describe_inputs` for this call.
        accept_changes: whether to continue despite changes.

    Returns:
        The accepted changes.

    Raises:
        TrainingError: a change would alter what the run computes.
    """
    differences = list_changes(saved_inputs(run), now)
    if differences and not accept_changes:
        raise TrainingError(
            f"{run} cannot be resumed, since its inputs changed: {'; '.join(differences)}; accept this with"
            " --accept-changes, or choose another --run folder."
        )
    return differences


def _recipe_values(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe's settings except the model's shape, which is checked with the weights."""
    values: dict[str, Any] = {}
    for section, table in recipe.items():
        if section == "model":
            continue
        for key, value in table.items() if isinstance(table, Mapping) else [("", table)]:
            values[f"{section}.{key}".rstrip(".")] = value
    return values


def _source_names(inputs: Mapping[str, Any]) -> set[str]:
    return {f"data.{name}" for name in inputs["recipe"].get("data", {})}
