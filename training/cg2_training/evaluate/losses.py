"""Held-out loss by source and by objective: bits per byte, and nats per token."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from cg2_training.data.batches import Batch, RowStream
from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.objective import IGNORED, INFILLS, ObjectiveConfig
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens

EVALUATION_SEED = 7
ROWS_PER_PASS = 8
"""Rows of one forward pass."""

CAUSAL = "causal"
CONTINUATION = "continuation"
OBJECTIVES = (CAUSAL, CONTINUATION, *INFILLS)
"""What can be scored: every token of plain text; the tokens behind a uniform cut of each document, what stands
before it being seen whole by a prefix LM; and the answers of each way to make infill rows.

Labels depend on the name alone, so that scores of a prefix LM and of a causal model compare."""

TokenLosses = Callable[[Batch], npt.NDArray[np.float32]]
"""Cross entropy of every label in nats, float32 [rows, context]; zero where the label is IGNORED."""


@dataclass(frozen=True)
class Score:
    """What predicting some tokens cost.

    Attributes:
        nats: cross entropy, summed.
        tokens: that were predicted.
        bytes: of text in them; marks such as `<eom>` have none.
        rows: that they stood in.
        places: of an infill objective, the same by place in the middle: its first token, the 2nd to 4th, those
            behind, and `<eom>`.
    """

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0
    rows: int = 0
    places: Mapping[str, Score] = field(default_factory=dict)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between tokenizers."""
        return self.nats / math.log(2) / max(1, self.bytes)

    @property
    def nats_per_token(self) -> float:
        """Comparable between models with one tokenizer."""
        return self.nats / max(1, self.tokens)

    def __add__(self, other: Score) -> Score:
        """Both together."""
        return Score(
            self.nats + other.nats,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.rows + other.rows,
            {
                name: self.places.get(name, Score()) + other.places.get(name, Score())
                for name in dict.fromkeys([*self.places, *other.places])
            },
        )

    def to_dict(self, digits: int = 17) -> dict[str, Any]:
        """As `cg2-train evaluate --json` prints it, numbers rounded."""
        table: dict[str, Any] = {
            "bits_per_byte": round(self.bits_per_byte, digits),
            "nats_per_token": round(self.nats_per_token, digits),
            "tokens": self.tokens,
            "bytes": self.bytes,
            "rows": self.rows,
        }
        if self.places:
            table["nats_by_place"] = self.nats_by_place(digits)
        return table

    def nats_by_place(self, digits: int = 17) -> dict[str, float]:
        """Nats per token at each place of a middle."""
        return {name: round(score.nats_per_token, digits) for name, score in self.places.items()}


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        bits_per_byte: causal, over all bytes of the held-out rows.
        causal_nats: mean causal loss per token.
        infill_nats: mean loss per token inside infill answers.
        rows: held-out rows of each kind.
        sources: the scores by source, then by objective.
        places: nats per token by place in a middle, see `Score`.
    """

    bits_per_byte: float
    causal_nats: float
    infill_nats: float
    rows: int
    sources: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    places: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self, digits: int = 17) -> dict[str, Any]:
        """For logs and `--json`, numbers rounded; sources only where there are several."""
        table: dict[str, Any] = {
            "bits_per_byte": round(self.bits_per_byte, digits),
            "causal_nats": round(self.causal_nats, digits),
            "infill_nats": round(self.infill_nats, digits),
            "rows": self.rows,
        }
        if self.places:
            table["places"] = {name: round(nats, digits) for name, nats in self.places.items()}
        if len(self.sources) > 1:
            table["sources"] = scores_to_dict(self.sources, digits)
        return table


def scores_to_dict(table: Mapping[str, Mapping[str, Score]], digits: int = 17) -> dict[str, Any]:
    """Scores by source and objective as nested tables of numbers."""
    return {
        source: {objective: score.to_dict(digits) for objective, score in scores.items()}
        for source, scores in table.items()
    }


def evaluate(
    losses: TokenLosses,
    heldout: TokenShard | ShardSet,
    context: int,
    rows: int,
    objective: ObjectiveConfig,
    *,
    progress: bool = False,
) -> Evaluation:
    """Evaluate continuation and a recipe's own infill, on the first rows of a fixed order of each source.

    Args:
        losses: what is evaluated.
        heldout: held-out tokens, by source where there are several.
        context: tokens of a row.
        rows: rows of each kind and source; fewer where a source has fewer.
        objective: how infill rows are made; `infill_share` is not used.
        progress: whether to draw progress bars.
    """
    names = (CAUSAL, objective.infill, *([CONTINUATION] if objective.prefix_lm else []))
    table = evaluate_table(losses, heldout, context, rows, objective, names, progress=progress)
    causal = sum((scores[CAUSAL] for scores in table.values()), Score())
    infill = sum((scores[objective.infill] for scores in table.values()), Score())
    return Evaluation(
        causal.bits_per_byte,
        causal.nats_per_token,
        infill.nats_per_token,
        causal.rows,
        sources=table,
        places=infill.nats_by_place(),
    )


def evaluate_table(
    losses: TokenLosses,
    heldout: TokenShard | ShardSet,
    context: int,
    rows: int,
    objective: ObjectiveConfig,
    names: tuple[str, ...] = OBJECTIVES,
    *,
    progress: bool = False,
) -> dict[str, dict[str, Score]]:
    """Scores by source and by objective; arguments as of `evaluate`.

    Args:
        losses: what is evaluated.
        heldout: held-out tokens.
        context: tokens of a row.
        rows: rows of each objective and source.
        objective: span lengths, ratios and the like.
        names: which of OBJECTIVES.
        progress: whether to draw progress bars.

    Raises:
        TrainingError: an objective is unknown, or a source is too small for two rows.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise TrainingError(f"{name!r} is no objective to evaluate; choose from {', '.join(OBJECTIVES)}.")
    return {
        source: {
            name: score_rows(losses, shard, context, rows, objective, name, progress=progress)
            for name in names
        }
        for source, shard in ShardSet.of(heldout).shards.items()
    }


def score_rows(
    losses: TokenLosses,
    shard: TokenShard,
    context: int,
    rows: int,
    objective: ObjectiveConfig,
    name: str,
    *,
    progress: bool = False,
) -> Score:
    """What the first rows of a shard cost.

    Args:
        losses: what is evaluated.
        shard: held-out tokens.
        context: tokens of a row.
        rows: fewer where the shard has fewer.
        objective: span lengths, ratios and the like.
        name: which of OBJECTIVES.
        progress: whether to draw a progress bar.
    """
    stream = RowStream(shard, context, _only(objective, name), EVALUATION_SEED)
    rows = min(rows, stream.rows_per_epoch)
    total = Score(rows=rows)
    steps = math.ceil(rows / ROWS_PER_PASS)
    for batch in tqdm(_batches(stream, rows), total=steps, desc=f"evaluate {name}", disable=not progress):
        counted = batch.labels != IGNORED
        if name in INFILLS:
            counted &= batch.answers
        if not objective.prefix_lm:
            batch = replace(batch, regions=np.zeros_like(batch.regions))
        nats = losses(batch)
        found = _summed(nats, batch, counted, shard.tokenizer)
        if name in INFILLS:
            places = group_by_place(batch, shard.tokenizer.special)
            by_place = {
                place: _summed(nats, batch, counted & there, shard.tokenizer)
                for place, there in places.items()
            }
            found = replace(found, places=by_place)
        total += found
    return total


def _summed(
    nats: npt.NDArray[np.float32], batch: Batch, counted: npt.NDArray[np.bool_], tokenizer: CodeTokenizer
) -> Score:
    """Return the score of the labels that count."""
    targets = batch.labels[counted]
    return Score(
        float((nats * counted).sum(dtype=np.float64)),
        targets.size,
        len(tokenizer.decode_bytes(targets.tolist())),
    )


def group_by_place(batch: Batch, special: SpecialTokens) -> dict[str, npt.NDArray[np.bool_]]:
    """Where in its middle each answer's label stands, bool [rows, context] by name of the place."""
    times = np.arange(batch.tokens.shape[1])
    masks = np.where(batch.tokens >= special.first_mask_id, times, -1)
    place = times - np.maximum.accumulate(masks, axis=1)
    ends = batch.labels == special.eom
    return {
        "first": (place == 0) & ~ends,
        "2 to 4": (place >= 1) & (place <= 3) & ~ends,
        "5 and on": (place >= 4) & ~ends,
        "eom": ends,
    }


def _only(objective: ObjectiveConfig, name: str) -> ObjectiveConfig:
    """Return the objective with rows of one kind alone."""
    if name in INFILLS:
        syntax = objective.syntax_share if name == "span_corruption" else 0.0
        return replace(objective, infill_share=1.0, infill=name, syntax_share=syntax)
    return replace(objective, infill_share=0.0, prefix_lm=name == CONTINUATION)


def _batches(stream: RowStream, rows: int) -> Iterator[Batch]:
    for first in range(0, rows, ROWS_PER_PASS):
        yield stream.rows(first, min(ROWS_PER_PASS, rows - first))
