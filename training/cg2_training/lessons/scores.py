"""Scores of a model by held-out row, on labels that are the same for every arm."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cg2_training.data.batches import Batch, RowStream
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import EVALUATION_SEED, group_by_place
from cg2_training.evaluate.served import (
    Predictor,
    Suffix,
    by_position,
    draw_places,
    find_exact,
    place_batch,
    without_regions,
)
from cg2_training.lessons.corpora import Sources
from cg2_training.objective import IGNORED, ObjectiveConfig, as_published

ROW_MEASURES = ("span_corruption", "psm")
SERVED_MEASURES: Mapping[str, Suffix] = {"served": "right", "served_wrong": "wrong", "served_none": "none"}
"""Measures at held-out cursors in the server's layout, by the text below the cursor."""

INFILL_MEASURES = (*ROW_MEASURES, *SERVED_MEASURES)
WRONG_LINE = "wrong_line"
PLACES = ("first", "2 to 4", "5 and on", "eom")
BITS_PER_BYTE, NATS_PER_TOKEN, LINES = "bits per byte", "nats per answer token", "share of lines"

MEASURES: Mapping[str, str] = {
    "causal": BITS_PER_BYTE,
    "continuation": BITS_PER_BYTE,
    **{
        f"{name}{place}": NATS_PER_TOKEN
        for name in INFILL_MEASURES
        for place in ("", *(f"/{p}" for p in PLACES))
    },
    WRONG_LINE: LINES,
}
"""Unit of each measure. An infill measure without a place is the sum of its places."""

MIN_ROWS = 16
"""Minimum held-out rows of a domain for a meaningful interval."""

ROWS_PER_PASS = 8

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowScores:
    """Sums by held-out row, by `DOMAIN/MEASURE`.

    Attributes:
        nats: cross entropy of the row's labels, float64 [rows].
        tokens: number of labels, int64 [rows]; the same for every arm.
        bytes: bytes of the labels' text, int64 [rows]; the same for every arm.
        digest: digest of all labels.
    """

    nats: Mapping[str, FloatArray]
    tokens: Mapping[str, IntArray]
    bytes: Mapping[str, IntArray]
    digest: str


def score_rows(
    predict: Predictor,
    heldout: Mapping[str, Sources],
    context: int,
    rows: int,
    objective: ObjectiveConfig,
    *,
    prefix_lm: bool = False,
) -> RowScores:
    """Score a model on the first rows of a fixed order of each source.

    Args:
        predict: predictor of the model.
        heldout: shards by domain and source.
        context: tokens of a row.
        rows: rows of each source; fewer if it has fewer.
        objective: options of infill rows: those of the size, not of the arm, so that labels are the same.
        prefix_lm: whether prompts have bidirectional attention, except in the causal measure.

    Raises:
        TrainingError: a domain has too few rows.
    """
    found: dict[str, list[tuple[FloatArray, IntArray, IntArray]]] = {}
    digest = hashlib.sha256()
    for domain, sources in heldout.items():
        total = 0
        for path in sources.values():
            shard = TokenShard.open(path)
            for name in ("causal", "continuation", *ROW_MEASURES):
                stream = RowStream(shard, context, _labels_objective(objective, name), EVALUATION_SEED)
                count = min(rows, stream.rows_per_epoch)
                for batch in _batches(stream, count):
                    marks = batch if prefix_lm and name != "causal" else without_regions(batch)
                    nats, _ = predict(marks)
                    for part, counted in _parts(name, batch, shard).items():
                        digest.update(np.where(counted, batch.labels, IGNORED).tobytes())
                        sums = _sums(nats, batch, counted, shard)
                        found.setdefault(f"{domain}/{part}", []).append(sums)
            total += count
            for part, sums in _served_sums(predict, shard, context, rows, digest, prefix_lm=prefix_lm):
                found.setdefault(f"{domain}/{part}", []).append(sums)
        if total < MIN_ROWS:
            raise TrainingError(
                f"the held-out {domain} has {total} rows of {context} tokens, fewer than {MIN_ROWS}; hold"
                " out more."
            )
    columns = {
        name: [np.concatenate(column) for column in zip(*sums, strict=True)] for name, sums in found.items()
    }
    return RowScores(
        {name: nats for name, (nats, _, _) in columns.items()},
        {name: tokens for name, (_, tokens, _) in columns.items()},
        {name: sizes for name, (_, _, sizes) in columns.items()},
        digest.hexdigest(),
    )


def _served_sums(
    predict: Predictor, shard: TokenShard, context: int, rows: int, digest: hashlib._Hash, *, prefix_lm: bool
) -> Iterator[tuple[str, tuple[FloatArray, IntArray, IntArray]]]:
    """Yield the sums at held-out cursors by measure, pass by pass."""
    places, special = draw_places(shard, context, rows), shard.tokenizer.special
    for first in range(0, len(places), ROWS_PER_PASS):
        count = min(ROWS_PER_PASS, len(places) - first)
        for name, suffix in SERVED_MEASURES.items():
            batch = place_batch(places, first, count, context, special, suffix)
            nats, predicted = predict(batch if prefix_lm else without_regions(batch))
            digest.update(batch.tokens.tobytes() + batch.labels.tobytes())
            for position, mask in by_position(batch, special).items():
                yield f"{name}/{position}", _sums(nats, batch, mask, shard)
            if suffix == "right":
                wrong = ~find_exact(batch, predicted, shard.tokenizer)
                ones = np.ones(count, dtype=np.int64)
                yield WRONG_LINE, (wrong.astype(np.float64), ones, ones)


def _labels_objective(objective: ObjectiveConfig, name: str) -> ObjectiveConfig:
    """Return the objective whose rows are all of one measure.

    Prompts are marked in all of them but the causal one, since that decides the labels of `continuation`.
    """
    plain = replace(
        as_published(objective),
        infill_share=0.0,
        syntax_share=0.0,
        dense_share=0.0,
        prefix_lm=name != "causal",
    )
    return replace(plain, infill_share=1.0, infill=name) if name in ROW_MEASURES else plain


def _parts(name: str, batch: Batch, shard: TokenShard) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the labels that count, by the measure's full name."""
    counted = batch.labels != IGNORED
    if name not in ROW_MEASURES:
        return {name: counted}
    places = group_by_place(batch, shard.tokenizer.special)
    return {f"{name}/{place}": counted & batch.answers & places[place] for place in PLACES}


def _sums(
    nats: npt.NDArray[np.float32], batch: Batch, counted: npt.NDArray[np.bool_], shard: TokenShard
) -> tuple[FloatArray, IntArray, IntArray]:
    sizes = [
        len(shard.tokenizer.decode_bytes(labels[chosen].tolist()))
        for labels, chosen in zip(batch.labels, counted, strict=True)
    ]
    return (
        (nats * counted).sum(axis=1, dtype=np.float64),
        counted.sum(axis=1, dtype=np.int64),
        np.array(sizes, dtype=np.int64),
    )


def _batches(stream: RowStream, rows: int) -> Iterator[Batch]:
    for first in range(0, rows, ROWS_PER_PASS):
        yield stream.rows(first, min(ROWS_PER_PASS, rows - first))
