"""What a model is worth in an open repository: bits per token and next-token accuracy, alone and with memory.

A larger model knows more, and memory then adds less; only both together are what a user has. So a checkpoint is
compared by this, too, before it is shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cg2_training.errors import TrainingError
from cg2ls.engine import Engine
from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.teacher_forcing import observe_tokens, summarize
from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
from cg2ls.evaluation.simulation.sources import collect_sources
from cg2ls.workspace.languages import LANGUAGES


@dataclass(frozen=True)
class Measured:
    """A mean over tokens.

    Attributes:
        mean: of all tokens.
        low: lower end of its 95 % interval, files drawn anew.
        high: upper end.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class InRepositories:
    """Tokens of whole repositories, judged in front of the true text, under the prompt completion makes.

    Attributes:
        tokens: how many were judged.
        bits_alone: bits per token of the model.
        bits_with_memory: the same after memory has voted.
        accuracy_alone: share of tokens that the model finds likeliest.
        accuracy_with_memory: the same after memory has voted.
    """

    tokens: int
    bits_alone: Measured
    bits_with_memory: Measured
    accuracy_alone: Measured
    accuracy_with_memory: Measured


def evaluate_with_memory(
    model: Path, repositories: Sequence[Path], *, places: int = 400, seed: int = 0
) -> InRepositories:
    """Judges the tokens behind places of real files, each repository with a memory of its own.

    A file's text on disk never counts for itself, and copies of a file are left out.

    Args:
        model: a model folder.
        repositories: folders, best of code that the model was not trained on.
        places: places drawn, in turns from all repositories.
        seed: of the places.

    Raises:
        TrainingError: `model` is no model folder.
        Cg2Error: it cannot be opened, or there is nothing to read.
    """
    if not (model / "model.json").is_file():
        raise TrainingError(
            f"{model} is no model folder, and memory works on what the server opens; convert it with cg2-quantize."
        )
    with Engine.open(model) as engine:
        sources = collect_sources(repositories, LANGUAGES, set(engine.model.languages))
        memories = ReplayMemory(repositories, sources, engine.tokenizer, "on")
        try:
            found = summarize(observe_tokens(engine, memories, sample_positions(sources, places, seed)))
        finally:
            memories.close()
    return InRepositories(
        tokens=found["tokens"],
        bits_alone=_measured(found["bits_per_token_of_the_model"]),
        bits_with_memory=_measured(found["bits_per_token"]),
        accuracy_alone=_measured(found["next_token_accuracy_of_the_model"]),
        accuracy_with_memory=_measured(found["next_token_accuracy"]),
    )


def _measured(share: dict[str, Any]) -> Measured:
    return Measured(share["mean"], *share["spread"])
