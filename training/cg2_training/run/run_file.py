"""run.json: what the checkpoint in a run's folder came from."""

from __future__ import annotations

import json
from pathlib import Path

from cg2_training.errors import TrainingError
from cg2_training.run.recipe import Recipe
from cg2ls.files import write_atomically

RUN = "run.json"


def write_run(run: Path, step: int, recipe: Recipe) -> None:
    """Notes the step that the checkpoint is of, and the recipe it was trained by."""
    write_atomically(run / RUN, json.dumps({"step": step, "recipe": recipe.to_dict()}, indent=2) + "\n")


def read_run(run: Path) -> tuple[int, Recipe]:
    """Step and recipe of a run's checkpoint.

    Raises:
        TrainingError: the folder holds no checkpoint of a run, or its file is damaged.
    """
    path = run / RUN
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
