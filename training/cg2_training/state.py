"""Saved training states: a folder per state, whole or absent, the newest few kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cg2_training.errors import TrainingError
from cg2_training.ranks import Ranks

KEPT = 2
"""States kept; older ones are removed after a new one is whole."""


class Saveable(Protocol):
    """An optimizer whose weights and moments can be saved by name."""

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Weights and moments, this process's part of them."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restores them."""


def save_state(run: Path, step: int, optimizer: Saveable, meta: dict[str, Any], ranks: Ranks) -> Path:
    """Writes `run/states/STEP`, one file a process, and removes old states.

    Args:
        run: the run's folder.
        step: steps done.
        optimizer: weights and moments.
        meta: what must match on resuming, as JSON.
        ranks: who saves together.
    """
    folder = run / "states" / f"{step:08d}"
    part = folder.with_name(f".{folder.name}.part")
    if ranks.first:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    ranks.wait()
    save_file(
        {name: tensor.contiguous() for name, tensor in optimizer.named_state()}, part / state_file(ranks)
    )
    ranks.wait()
    if ranks.first:
        (part / "meta.json").write_text(
            json.dumps({"step": step, "world": ranks.world, **meta}, indent=2) + "\n"
        )
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        for old in saved_states(run)[:-KEPT]:
            shutil.rmtree(old)
    ranks.wait()
    return folder


def state_file(ranks: Ranks) -> str:
    """Name of a process's file in a state's folder."""
    return "state.safetensors" if ranks.world == 1 else f"state-{ranks.rank}-of-{ranks.world}.safetensors"


def saved_states(run: Path) -> list[Path]:
    """Complete states of a run, oldest first."""
    return sorted(path.parent for path in (run / "states").glob("[0-9]*/meta.json"))


def load_state(run: Path, optimizer: Saveable, model: dict[str, Any], ranks: Ranks) -> int:
    """Restores the newest state and returns the steps done; 0 when there is none.

    Raises:
        TrainingError: the state is damaged, belongs to a model of another shape, or to another number of
            processes.
    """
    states = saved_states(run)
    if not states:
        return 0
    newest = states[-1]
    try:
        meta = json.loads((newest / "meta.json").read_text())
        if meta["model"] != model:
            raise TrainingError(
                f"{newest} was saved with another [model] section; choose another --run folder."
            )
        if meta.get("world", 1) != ranks.world:
            raise TrainingError(
                f"{newest} was saved by {meta.get('world', 1)} processes, but {ranks.world} would go on; start as"
                f" many, or begin a new run with --from {run / 'checkpoint'}."
            )
        optimizer.load_state(load_file(newest / state_file(ranks)))
    except (OSError, ValueError, KeyError, SafetensorError) as wrong:
        raise TrainingError(
            f"{newest} is damaged ({wrong}); remove it to resume from the state before."
        ) from None
    return int(meta["step"])
