"""Export of weights as a checkpoint in the Hugging Face layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from cg2_training.objective.spans import CHARS_PER_TOKEN
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer, write_checkpoint
from cg2ls.models.folder.description import Infill
from cg2ls.models.folder.facts import Facts


def export_checkpoint(
    folder: Path, recipe: Recipe, weights: Mapping[str, Tensor], tokenizer: CodeTokenizer
) -> None:
    """Write weights as a float32 checkpoint, together with the facts that only training knows."""
    write_checkpoint(
        folder,
        recipe.model.config(),
        {name: weight.float().numpy() for name, weight in weights.items()},
        tokenizer.to_json(),
        end_of_text_id=tokenizer.special.end_of_text,
    )
    make_facts(recipe).write(folder)


def make_facts(recipe: Recipe) -> Facts:
    """Return the ways in which the recipe's weights can be prompted.

    Every piece of a corrupted row is tokenized separately, so an answer may start anywhere. The longest masked span or
    known text limits the distance.
    """
    objective = recipe.objective
    corrupted = objective.infill_share > 0
    reach = max(objective.max_span_chars, objective.anchor_max_chars if objective.anchor_share else 0)
    return Facts(
        name=recipe.name,
        infill=Infill(
            objectives=("causal", "span_corruption") if corrupted else ("causal",),
            character_cuts=corrupted,
            anchor_max_tokens=min(128, reach // CHARS_PER_TOKEN) if corrupted else 0,
        ),
    )
