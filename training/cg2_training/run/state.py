"""Saved training states: a folder per state, whole or absent, the newest few kept.

All files are safetensors: one of a single process, and of several processes one each, which know what part of a
tensor they hold (torch.distributed.checkpoint), so that any number of processes can go on from any state.
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

from cg2_training.errors import TrainingError
from cg2_training.run.distributed import Ranks
from cg2_training.run.recipe import Recipe
from cg2ls.files import write_atomically

KEPT_STATES = 2
"""States kept; older ones are removed after a new one is whole."""

META_FILE = "meta.json"


class Saveable(Protocol):
    """An optimizer whose weights and moments can be saved by name."""

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Weights and moments, this process's part of them."""

    def allocate(self, name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Return a tensor to read this process's part of a saved one into."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore them."""


def save_state(run: Path, step: int, optimizer: Saveable, meta: dict[str, Any], ranks: Ranks) -> Path:
    """Write `run/states/STEP`, one file a process, and removes old states.

    Args:
        run: the run's folder, which all processes see.
        step: steps done.
        optimizer: weights and moments.
        meta: what must match on resuming, as JSON.
        ranks: who saves together.

    Raises:
        TrainingError: the disk took it only in part; the states before it are intact.
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
            f"{folder} could not be saved ({error}); make room, and the same command goes on from the state before."
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
    except CheckpointException as error:  # no Exception, and many lines long
        raise OSError(_first_failure(error)) from None


def saved_states(run: Path) -> list[Path]:
    """Complete states of a run, oldest first."""
    return sorted(path.parent for path in (run / "states").glob(f"[0-9]*/{META_FILE}"))


def load_state(
    run: Path, optimizer: Saveable, model: dict[str, Any], ranks: Ranks, *, optimizer_name: str
) -> int:
    """Restore the newest state and returns the steps done; 0 when there is none.

    Moments of another optimizer than `optimizer_name` are left behind.

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
        found = len(list(newest.glob("*.safetensors")))
        if found != meta["world"]:
            raise ValueError(f"{found} of its {meta['world']} files are there")
        state = _read(newest, optimizer, ranks)
        if meta.get("recipe", {}).get("optimizer", {}).get("name", optimizer_name) != optimizer_name:
            state = {name: tensor for name, tensor in state.items() if name.startswith("master.")}
        optimizer.load_state(state)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{newest} is damaged ({error}); remove it to resume from the state before."
        ) from None
    return int(meta["step"])


def _read(folder: Path, optimizer: Saveable, ranks: Ranks) -> dict[str, Tensor]:
    """Return a state's tensors, divided as this process's optimizer wants them."""
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
    """What went wrong in the first process that failed, in one line."""
    failure, _ = next(iter(problem.failures.values()))
    return str(failure).splitlines()[0]


RUN_FILE = "run.json"


def write_run(run: Path, step: int, recipe: Recipe) -> None:
    """Note the step that the checkpoint is of, and the recipe it was trained by."""
    write_atomically(run / RUN_FILE, json.dumps({"step": step, "recipe": recipe.to_dict()}, indent=2) + "\n")


def read_run(run: Path) -> tuple[int, Recipe]:
    """Step and recipe of a run's checkpoint.

    Raises:
        TrainingError: the folder holds no checkpoint of a run, or its file is damaged.
    """
    path = run / RUN_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return int(raw["step"]), Recipe.from_dict(raw["recipe"], str(path))
    except FileNotFoundError:
        raise TrainingError(
            f"{run} holds no checkpoint of a run; train first with cg2-train pretrain."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}); the same pretrain command writes it again."
        ) from None
