"""Held-out loss by source and by objective, in bits per byte and nats per token."""

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
from cg2_training.objective import IGNORED, INFILLS, ObjectiveConfig, as_published
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens

EVALUATION_SEED = 7
ROWS_PER_PASS = 8
"""Rows of one forward pass."""

CAUSAL = "causal"
CONTINUATION = "continuation"
OBJECTIVES = (CAUSAL, CONTINUATION, *INFILLS)
"""Objectives that can be scored.

"causal" scores every token of plain text. "continuation" scores the tokens after a uniform cut of each document; a
prefix LM has bidirectional attention before the cut. The others score the answers of each kind of infill rows. Labels
depend only on the name, so that scores of a prefix LM and of a causal model are comparable.
"""


@dataclass(frozen=True)
class EvaluationOptions:
    """Held-out rows to evaluate on.

    Attributes:
        context: tokens of a row.
        rows: rows of each kind and source; fewer if a source has fewer.
        objective: options for infill rows; `infill_share` is not used.
        progress: whether to show progress bars.
    """

    context: int
    rows: int
    objective: ObjectiveConfig
    progress: bool = False


TokenLosses = Callable[[Batch], npt.NDArray[np.float32]]
"""Cross entropy of every label in nats, float32 [rows, context]; zero where the label is IGNORED."""


@dataclass(frozen=True)
class Score:
    """Summed loss of some tokens.

    Attributes:
        nats: sum of the cross entropy.
        tokens: number of predicted tokens.
        bytes: bytes of their text; special tokens such as `<eom>` have none.
        rows: rows that contain them.
        places: for an infill objective, the score by position in the middle: first token, 2nd to 4th, later ones and
            `<eom>`.
    """

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0
    rows: int = 0
    places: Mapping[str, Score] = field(default_factory=dict)

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte, comparable between tokenizers."""
        return self.nats / math.log(2) / max(1, self.bytes)

    @property
    def nats_per_token(self) -> float:
        """Nats per token, comparable between models with the same tokenizer."""
        return self.nats / max(1, self.tokens)

    def __add__(self, other: Score) -> Score:
        """Return the score of the tokens of both."""
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
        """Return rounded numbers, as `cg2-train evaluate --json` prints them."""
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
        """Return the nats per token at each position of a middle."""
        return {name: round(score.nats_per_token, digits) for name, score in self.places.items()}


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        bits_per_byte: causal loss over all bytes of the held-out rows.
        causal_nats: mean causal loss per token.
        infill_nats: mean loss per token inside infill answers.
        rows: held-out rows of each kind.
        sources: scores by source, then by objective.
        places: nats per token by position in a middle; see `Score`.
        served: scores at held-out cursors, see `served.ServedScore.to_dict`; empty if they were not measured.
    """

    bits_per_byte: float
    causal_nats: float
    infill_nats: float
    rows: int
    sources: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    places: Mapping[str, float] = field(default_factory=dict)
    served: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self, digits: int = 17) -> dict[str, Any]:
        """Return rounded numbers for logs and `--json`; sources are included if there are several."""
        table: dict[str, Any] = {
            "bits_per_byte": round(self.bits_per_byte, digits),
            "causal_nats": round(self.causal_nats, digits),
            "infill_nats": round(self.infill_nats, digits),
            "rows": self.rows,
        }
        if self.places:
            table["places"] = {name: round(nats, digits) for name, nats in self.places.items()}
        if self.served:
            table["served"] = dict(self.served)
        if len(self.sources) > 1:
            table["sources"] = scores_to_dict(self.sources, digits)
        return table


def scores_to_dict(table: Mapping[str, Mapping[str, Score]], digits: int = 17) -> dict[str, Any]:
    """Convert scores by source and objective to nested tables of numbers."""
    return {
        source: {objective: score.to_dict(digits) for objective, score in scores.items()}
        for source, scores in table.items()
    }


def evaluate(losses: TokenLosses, heldout: TokenShard | ShardSet, options: EvaluationOptions) -> Evaluation:
    """Evaluate the causal loss and the recipe's infill loss, on the first rows of a fixed order of each source.

    Args:
        losses: losses of the model to evaluate.
        heldout: held-out tokens; a set if there are several sources.
        options: rows to evaluate on.
    """
    objective = options.objective
    names = (CAUSAL, objective.infill, *([CONTINUATION] if objective.prefix_lm else []))
    table = evaluate_table(losses, heldout, options, names)
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
    options: EvaluationOptions,
    names: tuple[str, ...] = OBJECTIVES,
) -> dict[str, dict[str, Score]]:
    """Return the scores by source and by objective.

    Args:
        losses: losses of the model to evaluate.
        heldout: held-out tokens.
        options: rows to evaluate on.
        names: names from OBJECTIVES.

    Raises:
        TrainingError: an objective is unknown, or a source is too small for two rows.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise TrainingError(f"{name!r} is not an objective; choose from {', '.join(OBJECTIVES)}.")
    return {
        source: {name: score_rows(losses, shard, options, name) for name in names}
        for source, shard in ShardSet.of(heldout).shards.items()
    }


def score_rows(losses: TokenLosses, shard: TokenShard, options: EvaluationOptions, name: str) -> Score:
    """Score the first rows of a shard.

    Args:
        losses: losses of the model to evaluate.
        shard: held-out tokens.
        options: rows to evaluate on; fewer if the shard has fewer.
        name: name from OBJECTIVES.
    """
    stream = RowStream(shard, options.context, _single_kind(options.objective, name), EVALUATION_SEED)
    rows = min(options.rows, stream.rows_per_epoch)
    total = Score(rows=rows)
    steps = math.ceil(rows / ROWS_PER_PASS)
    for batch in tqdm(
        _batches(stream, rows), total=steps, desc=f"evaluate {name}", disable=not options.progress
    ):
        counted = batch.labels != IGNORED
        if name in INFILLS:
            counted &= batch.answers
        if not options.objective.prefix_lm:
            batch = replace(batch, regions=np.zeros_like(batch.regions))
        nats = losses(batch)
        batch_score = _sum_score(nats, batch, counted, shard.tokenizer)
        if name in INFILLS:
            places = group_by_place(batch, shard.tokenizer.special)
            by_place = {
                place: _sum_score(nats, batch, counted & at_place, shard.tokenizer)
                for place, at_place in places.items()
            }
            batch_score = replace(batch_score, places=by_place)
        total += batch_score
    return total


def _sum_score(
    nats: npt.NDArray[np.float32], batch: Batch, counted: npt.NDArray[np.bool_], tokenizer: CodeTokenizer
) -> Score:
    """Return the score of the counted labels."""
    targets = batch.labels[counted]
    return Score(
        float((nats * counted).sum(dtype=np.float64)),
        targets.size,
        len(tokenizer.decode_bytes(targets.tolist())),
    )


def group_by_place(batch: Batch, special: SpecialTokens) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks of the labels by position in their middle, bool [rows, context] by name of the position."""
    times = np.arange(batch.tokens.shape[1])
    masks = np.where(batch.tokens >= special.first_mask_id, times, -1)
    position = times - np.maximum.accumulate(masks, axis=1)
    ends = batch.labels == special.eom
    return {
        "first": (position == 0) & ~ends,
        "2 to 4": (position >= 1) & (position <= 3) & ~ends,
        "5 and on": (position >= 4) & ~ends,
        "eom": ends,
    }


def _single_kind(objective: ObjectiveConfig, name: str) -> ObjectiveConfig:
    """Return the objective with rows of one kind only, in the published layout."""
    objective = as_published(objective)
    if name in INFILLS:
        syntax = objective.syntax_share if name == "span_corruption" else 0.0
        return replace(objective, infill_share=1.0, infill=name, syntax_share=syntax)
    return replace(objective, infill_share=0.0, prefix_lm=name == CONTINUATION)


def _batches(stream: RowStream, rows: int) -> Iterator[Batch]:
    for first in range(0, rows, ROWS_PER_PASS):
        yield stream.rows(first, min(ROWS_PER_PASS, rows - first))
