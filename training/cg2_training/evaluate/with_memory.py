"""Evaluation of a model in whole repositories: bits per token and next-token accuracy, alone and with memory.

Memory adds less to a larger model, and users have both together. So checkpoints are also compared with memory.
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
class MeanInterval:
    """Mean over tokens with its 95 % interval.

    Attributes:
        mean: mean over all tokens.
        low: lower end of the interval, by bootstrap over files.
        high: upper end of the interval.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class MemoryEvaluation:
    """Scores of tokens of whole repositories, teacher-forced with the prompts of the completion server.

    Attributes:
        tokens: number of scored tokens.
        bits_alone: bits per token of the model.
        bits_with_memory: bits per token of model and memory.
        accuracy_alone: share of tokens that the model ranks first.
        accuracy_with_memory: share of tokens that model and memory rank first.
    """

    tokens: int
    bits_alone: MeanInterval
    bits_with_memory: MeanInterval
    accuracy_alone: MeanInterval
    accuracy_with_memory: MeanInterval


def evaluate_with_memory(
    model: Path, repositories: Sequence[Path], *, places: int = 400, seed: int = 0
) -> MemoryEvaluation:
    """Score the tokens after sampled positions of real files; each repository has its own memory.

    Memory never uses a file's own text, and copies of a file are excluded.

    Args:
        model: a model folder.
        repositories: folders, preferably with code that the model was not trained on.
        places: number of sampled positions, in turns from all repositories.
        seed: seed of the sample.

    Raises:
        TrainingError: `model` is not a model folder.
        Cg2Error: the model cannot be opened, or the repositories have no readable files.
    """
    if not (model / "model.json").is_file():
        raise TrainingError(
            f"{model} is not a model folder, which memory needs; convert it with cg2-quantize."
        )
    with Engine.open(model) as engine:
        sources = collect_sources(repositories, LANGUAGES, set(engine.model.languages))
        memories = ReplayMemory(repositories, sources, engine.tokenizer, "on")
        try:
            result = summarize(observe_tokens(engine, memories, sample_positions(sources, places, seed)))
        finally:
            memories.close()
    return MemoryEvaluation(
        tokens=result["tokens"],
        bits_alone=_interval(result["bits_per_token_of_the_model"]),
        bits_with_memory=_interval(result["bits_per_token"]),
        accuracy_alone=_interval(result["next_token_accuracy_of_the_model"]),
        accuracy_with_memory=_interval(result["next_token_accuracy"]),
    )


def _interval(share: dict[str, Any]) -> MeanInterval:
    return MeanInterval(share["mean"], *share["spread"])
