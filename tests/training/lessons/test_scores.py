"""Scores by row: the same labels for every arm, and sums that agree with the evaluation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cg2_training.data.batches import Batch
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import EvaluationOptions, evaluate_table
from cg2_training.lessons.corpora import Corpora, open_set
from cg2_training.lessons.scores import INFILL_MEASURES, MEASURES, score_rows
from cg2_training.model.codegen import CodeGen, model_losses, model_predictions
from cg2_training.objective import ObjectiveConfig
from cg2_training.run.recipe import Recipe

OBJECTIVE = ObjectiveConfig(max_spans=3, max_span_chars=60)


@pytest.fixture
def model(recipe: dict[str, Any]) -> CodeGen:
    network = CodeGen(Recipe.from_dict(recipe).model.config())
    network.init_weights(torch.Generator().manual_seed(3))
    return network


def test_a_prefix_lm_and_a_causal_model_have_the_same_labels(model: CodeGen, shards: Path) -> None:
    heldout = Corpora.open(shards).heldout
    losses = partial(model_predictions, model)
    causal = score_rows(losses, heldout, 64, 20, OBJECTIVE)
    prefix = score_rows(losses, heldout, 64, 20, OBJECTIVE, prefix_lm=True)
    assert causal.digest == prefix.digest
    assert set(causal.nats) == {f"code/{name}" for name in MEASURES if name not in INFILL_MEASURES}
    for name, tokens in causal.tokens.items():
        assert tokens.tolist() == prefix.tokens[name].tolist()
    # Prompts have bidirectional attention, except left to right.
    assert causal.nats["code/causal"].tolist() == prefix.nats["code/causal"].tolist()
    assert causal.nats["code/continuation"].tolist() != prefix.nats["code/continuation"].tolist()
    assert causal.nats["code/psm/2 to 4"].tolist() != prefix.nats["code/psm/2 to 4"].tolist()


def test_other_labels_have_another_digest(model: CodeGen, shards: Path) -> None:
    heldout = Corpora.open(shards).heldout

    def nothing(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(batch.labels.shape, np.float32), np.zeros(batch.labels.shape, np.int64)

    digests = {
        score_rows(nothing, heldout, 64, 20, OBJECTIVE).digest,
        score_rows(nothing, heldout, 64, 19, OBJECTIVE).digest,
        score_rows(nothing, heldout, 64, 20, ObjectiveConfig(max_spans=3, max_span_chars=10)).digest,
    }
    assert len(digests) == 3


def test_rows_add_up_to_the_evaluation(model: CodeGen, shards: Path) -> None:
    heldout = Corpora.open(shards).heldout
    losses = partial(model_predictions, model)
    found = score_rows(losses, heldout, 64, 20, OBJECTIVE)
    names = ("causal", "continuation", "span_corruption", "psm")
    table = evaluate_table(
        partial(model_losses, model), open_set(heldout["code"]), EvaluationOptions(64, 20, OBJECTIVE), names
    )["code"]
    for name in ("causal", "continuation"):
        assert found.nats[f"code/{name}"].sum() == pytest.approx(table[name].nats, rel=1e-5)
        assert found.tokens[f"code/{name}"].sum() == table[name].tokens
    for name in ("span_corruption", "psm"):
        for place, score in table[name].places.items():
            assert found.nats[f"code/{name}/{place}"].sum() == pytest.approx(score.nats, rel=1e-5)
            assert found.tokens[f"code/{name}/{place}"].sum() == score.tokens


def test_too_few_rows_are_refused(model: CodeGen, shards: Path) -> None:
    with pytest.raises(TrainingError, match="fewer than 16; hold out more"):
        score_rows(partial(model_predictions, model), Corpora.open(shards).heldout, 64, 8, OBJECTIVE)
