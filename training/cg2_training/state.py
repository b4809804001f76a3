"""Saved training states: a folder per state, whole or absent, the newest few kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cg2_training.errors import TrainingError
from cg2_training.optimizer import MasterOptimizer
from cg2ls.files import replacing_folder

KEPT = 2
"""States kept; older ones are removed after a new one is whole."""


def save_state(run: Path, step: int, optimizer: MasterOptimizer, meta: dict[str, Any]) -> Path:
    """Writes `run/states/STEP` and removes old states.

    Args:
        run: the run's folder.
        step: steps done.
        optimizer: master weights and moments.
        meta: what must match on resuming, as JSON.
    """
    folder = run / "states" / f"{step:08d}"
    with replacing_folder(folder, proof="meta.json") as new:
        save_file(
            {name: tensor.contiguous() for name, tensor in optimizer.named_state()}, new / "state.safetensors"
        )
        (new / "meta.json").write_text(json.dumps({"step": step, **meta}, indent=2) + "\n")
    for old in saved_states(run)[:-KEPT]:
        shutil.rmtree(old)
    return folder


def saved_states(run: Path) -> list[Path]:
    """Complete states of a run, oldest first."""
    return sorted(path.parent for path in (run / "states").glob("[0-9]*/meta.json"))


def load_state(run: Path, optimizer: MasterOptimizer, model: dict[str, Any]) -> int:
    """Restores the newest state and returns the steps done; 0 when there is none.

    Raises:
        TrainingError: the state is damaged or belongs to a model of another shape.
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
        optimizer.load_state(load_file(newest / "state.safetensors"))
    except (OSError, ValueError, KeyError, SafetensorError) as wrong:
        raise TrainingError(
            f"{newest} is damaged ({wrong}); remove it to resume from the state before."
        ) from None
    return int(meta["step"])
