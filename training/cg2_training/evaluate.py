"""Held-out loss: bits per byte of plain continuation, and nats per token of infill answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cg2_training.batches import Batch, RowStream
from cg2_training.objective import IGNORED, ObjectiveConfig
from cg2_training.shards import TokenShard

EVALUATION_SEED = 7
ROWS = 8
"""Rows of one forward pass."""

TokenLosses = Callable[[Batch], npt.NDArray[np.float32]]
"""Cross entropy of every label in nats, float32 [rows, context]; zero where the label is IGNORED."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        bits_per_byte: causal, over all bytes of the held-out rows.
        causal_nats: mean causal loss per token.
        infill_nats: mean loss per token inside infill answers.
        rows: held-out rows of each kind.
    """

    bits_per_byte: float
    causal_nats: float
    infill_nats: float
    rows: int


def evaluate(
    losses: TokenLosses, shard: TokenShard, context: int, rows: int, objective: ObjectiveConfig
) -> Evaluation:
    """Evaluates on the first rows of a fixed order of the held-out shard.

    Args:
        losses: what is evaluated.
        shard: held-out tokens.
        context: tokens of a row.
        rows: rows of each kind; fewer where the shard has fewer.
        objective: how infill rows are made; `infill_share` is not used.
    """
    causal = RowStream(shard, context, replace(objective, infill_share=0.0), EVALUATION_SEED)
    infill = RowStream(shard, context, replace(objective, infill_share=1.0), EVALUATION_SEED)
    rows = min(rows, causal.rows_per_epoch)
    nats = answer_nats = 0.0
    tokens = size = answer_tokens = 0
    for batch in _batches(causal, rows):
        nats += float(losses(batch).sum(dtype=np.float64))
        targets = batch.labels[batch.labels != IGNORED]
        tokens += targets.size
        size += len(shard.tokenizer.decode_bytes(targets.tolist()))
    for batch in _batches(infill, rows):
        answer_nats += float((losses(batch) * batch.answers).sum(dtype=np.float64))
        answer_tokens += int((batch.answers & (batch.labels != IGNORED)).sum())
    return Evaluation(
        nats / math.log(2) / max(1, size), nats / max(1, tokens), answer_nats / max(1, answer_tokens), rows
    )


def _batches(stream: RowStream, rows: int) -> Iterator[Batch]:
    for first in range(0, rows, ROWS):
        yield stream.rows(first, min(ROWS, rows - first))
