"""Saved training states, the description of the checkpoint in a run's folder, and the check of a resumed run's inputs.

A state is a folder that is complete or absent; the newest few are kept. All files are safetensors. Each process writes
one, which records its part of each tensor (torch.distributed.checkpoint), so that any number of processes can resume.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.run.distributed import Ranks
from cg2_training.run.recipe import Recipe
from cg2ls.files import write_atomically

KEPT_STATES = 2
"""Number of kept states; older ones are removed once a new one is complete."""

META_FILE = "meta.json"


class Saveable(Protocol):
    """An optimizer whose weights and moments can be saved by name."""

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield this process's part of the weights and moments by name."""

    def allocate(self, name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Allocate a tensor to read this process's part of a saved one into."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore weights and moments."""


def save_state(run: Path, step: int, optimizer: Saveable, meta: dict[str, Any], ranks: Ranks) -> Path:
    """Write `run/states/STEP`, one file per process, and remove old states.

    Args:
        run: the run's folder, shared by all processes.
        step: steps done.
        optimizer: weights and moments.
        meta: inputs that must match on resuming, for JSON.
        ranks: processes that save together.

    Raises:
        TrainingError: the state could not be written; earlier states are intact.
    """
    folder = run / "states" / f"{step:08d}"
    part = folder.with_name(f".{folder.name}.part")
    try:
        if ranks.first:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        ranks.wait()
        _write(part, optimizer, ranks)
        ranks.wait()
        if ranks.first:
            raw = json.dumps({"step": step, "world": ranks.world, **meta}, indent=2) + "\n"
            (part / META_FILE).write_text(raw, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
            for old in saved_states(run)[:-KEPT_STATES]:
                shutil.rmtree(old)
        ranks.wait()
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise TrainingError(
            f"{folder} could not be saved ({error}); free some space and run the same command to resume."
        ) from None
    return folder


def _write(part: Path, optimizer: Saveable, ranks: Ranks) -> None:
    state = dict(optimizer.named_state())
    if ranks.world == 1:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, part / "state.safetensors")
        return
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        save(state, storage_writer=HuggingFaceStorageWriter(str(part), save_distributed=True))
    except CheckpointException as error:  # not a subclass of Exception, and many lines long
        raise OSError(_first_failure(error)) from None


def saved_states(run: Path) -> list[Path]:
    """List the complete states of a run, oldest first."""
    return sorted(path.parent for path in (run / "states").glob(f"[0-9]*/{META_FILE}"))


def load_state(
    run: Path, optimizer: Saveable, model: dict[str, Any], ranks: Ranks, *, optimizer_name: str
) -> int:
    """Restore the newest state and return the steps done; 0 if there is no state.

    Moments of an optimizer other than `optimizer_name` are ignored.

    Raises:
        TrainingError: the state is damaged, or belongs to a model of another shape.
    """
    states = saved_states(run)
    if not states:
        return 0
    newest = states[-1]
    try:
        meta = json.loads((newest / META_FILE).read_text(encoding="utf-8"))
        if meta["model"] != model:
            raise TrainingError(
                f"{newest} was saved with another [model] section; choose another --run folder."
            )
        n_files = len(list(newest.glob("*.safetensors")))
        if n_files != meta["world"]:
            raise ValueError(f"{n_files} of its {meta['world']} files exist")
        state = _read(newest, optimizer, ranks)
        if meta.get("recipe", {}).get("optimizer", {}).get("name", optimizer_name) != optimizer_name:
            state = {name: tensor for name, tensor in state.items() if name.startswith("master.")}
        optimizer.load_state(state)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{newest} is damaged ({error}); remove it to resume from the previous state."
        ) from None
    return int(meta["step"])


def _read(folder: Path, optimizer: Saveable, ranks: Ranks) -> dict[str, Tensor]:
    """Read a state's tensors, in the parts that this process's optimizer needs."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = HuggingFaceStorageReader(str(folder))
    state = {
        name: optimizer.allocate(name, saved.size, saved.properties.dtype)
        for name, saved in reader.read_metadata().state_dict_metadata.items()
        if isinstance(saved, TensorStorageMetadata)
    }
    try:
        load(state, storage_reader=reader, no_dist=ranks.world == 1)
    except CheckpointException as error:
        raise OSError(_first_failure(error)) from None
    return state


def _first_failure(problem: Any) -> str:
    """Return the first line of the first process's failure."""
    failure, _ = next(iter(problem.failures.values()))
    return str(failure).splitlines()[0]


RUN_FILE = "run.json"


def write_run(run: Path, step: int, recipe: Recipe) -> None:
    """Write the step and the recipe of the checkpoint to run.json."""
    write_atomically(run / RUN_FILE, json.dumps({"step": step, "recipe": recipe.to_dict()}, indent=2) + "\n")


def read_run(run: Path) -> tuple[int, Recipe]:
    """Read the step and recipe of a run's checkpoint from run.json.

    Raises:
        TrainingError: the folder has no checkpoint of a run, or its run.json is damaged.
    """
    path = run / RUN_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return int(raw["step"]), Recipe.from_dict(raw["recipe"], str(path))
    except FileNotFoundError:
        raise TrainingError(
            f"{run} contains no checkpoint of a run; train one with cg2-train pretrain."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}); run the same pretrain command to write it again."
        ) from None


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
    differences += [f"[{name}] was removed" for name in _source_names(before) - _source_names(now)]
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
