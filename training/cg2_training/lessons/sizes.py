"""Shape and length of the runs at each size. Every arm of a size has the same steps, rows and context."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import Arm
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer

MUON = {
    "name": "muon",
    "lr": 3e-3,
    "muon_lr": 5e-3,
    "schedule": "wsd",
    "warmup_steps": 50,
    "final_lr_ratio": 0.05,
    "decay_share": 0.35,
}

SIZES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # 8.2 million tokens an arm: less than 40 minutes of an idle core.
    "2m": {
        "model": {"n_layer": 4, "n_embd": 160, "n_head": 4, "rotary_dim": 32, "context_length": 256},
        "optimizer": MUON,
        "objective": {"max_spans": 3, "max_span_chars": 400},
        "run": {"steps": 2000, "rows_per_step": 16, "save_every": 100},
    },
    # The shape of python-small; 23 million tokens an arm.
    "9m": {
        "model": {"n_layer": 6, "n_embd": 256, "n_head": 4, "rotary_dim": 32, "context_length": 512},
        "optimizer": {**MUON, "warmup_steps": 100},
        "objective": {"max_span_chars": 300},
        "run": {"steps": 3700, "rows_per_step": 12, "save_every": 100},
    },
    # The shape of python-27m; 328 million tokens an arm, for one GPU.
    "27m": {
        "model": {"n_layer": 6, "n_embd": 512, "n_head": 8, "rotary_dim": 32, "context_length": 1024},
        "optimizer": {**MUON, "muon_lr": 4e-3, "warmup_steps": 100},
        "objective": {"max_span_chars": 500},
        "run": {"steps": 2000, "rows_per_step": 160, "rows_per_pass": 80, "save_every": 500, "loaders": 12},
    },
    # The shape of python-125m; 2.5 billion tokens an arm, AdamW so that several GPUs can share a run.
    "125m": {
        "model": {"n_layer": 12, "n_embd": 768, "n_head": 12, "rotary_dim": 32, "context_length": 1024},
        "optimizer": {"name": "adamw", "lr": 6e-4, "schedule": "cosine", "warmup_steps": 500},
        "objective": {"max_span_chars": 600},
        "run": {"steps": 5000, "rows_per_step": 480, "rows_per_pass": 30, "save_every": 500, "loaders": 8},
    },
}

EVALUATE_ROWS = 16
"""Rows of the trainer's own evaluation, which only its log shows; the scores of the report have their own."""


def size_recipe(size: str, tokenizer: CodeTokenizer, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the raw recipe of a full run at a size.

    Args:
        size: a name in SIZES.
        tokenizer: of the corpora; gives the vocabulary.
        overrides: `SECTION.KEY=VALUE`, for every arm.

    Raises:
        TrainingError: the size is unknown, or an override cannot be applied.
    """
    if size not in SIZES:
        raise TrainingError(f"there is no size {size!r}; choose from {', '.join(SIZES)}.")
    raw: dict[str, Any] = copy.deepcopy({name: dict(table) for name, table in SIZES[size].items()})
    raw["model"] |= {"vocab_size": tokenizer.special.vocab_size, "n_masks": tokenizer.special.n_masks}
    raw["name"] = f"lessons-{size}"
    recipe = Recipe.from_dict(raw, raw["name"])
    if not overrides:
        return recipe.to_dict()
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "recipe.toml"
        path.write_text(recipe.to_toml(), encoding="utf-8")
        try:
            return Recipe.load(path, overrides).to_dict()
        except TrainingError as error:
            raise TrainingError(str(error).replace(str(path), raw["name"])) from None


def arm_recipe(
    full: Mapping[str, Any], arm: Arm, seed: int, weights: Mapping[str, float], origin: str = "lessons"
) -> Recipe:
    """Return the recipe of one arm and seed.

    Args:
        full: of `size_recipe`.
        arm: what differs.
        seed: decides initial weights and the order of the data, in all arms alike.
        weights: of the arm's sources.
        origin: what errors begin with.

    Raises:
        TrainingError: the steps are too few for the arm.
    """
    raw: dict[str, Any] = copy.deepcopy(dict(full))
    raw["name"] = f"{raw['name']}-{arm.name}-{seed}"
    raw["objective"] |= arm.objective
    steps = max(1, raw["run"]["steps"] // arm.steps_divisor)
    raw["run"] |= {"steps": steps, "seed": seed, "evaluate_every": steps, "evaluate_rows": EVALUATE_ROWS}
    raw["run"]["served_places"] = 0
    raw["optimizer"]["warmup_steps"] //= arm.steps_divisor
    raw["data"] = {name: {"weight": weight} for name, weight in weights.items()}
    return Recipe.from_dict(raw, f"{origin}, arm {arm.name}")
