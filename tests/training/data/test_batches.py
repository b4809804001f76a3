"""A step's batch depends on seed and step alone, and an epoch shows every row once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cg2_training.data.batches import RowStream, find_answers, load_batches
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.objective import IGNORED, ObjectiveConfig

CONFIG = ObjectiveConfig(max_spans=3, max_span_chars=60)


def stream(shard: TokenShard, seed: int = 5, context: int = 64) -> RowStream:
    return RowStream(shard, context, CONFIG, seed)


def test_any_step_can_be_made_independently(shard: TokenShard) -> None:
    in_order = [stream(shard).batch(step, 3) for step in range(6)]
    for step in (5, 0, 3):
        alone = stream(shard).batch(step, 3)
        assert np.array_equal(alone.tokens, in_order[step].tokens)
        assert np.array_equal(alone.labels, in_order[step].labels)


def test_another_seed_gives_another_order(shard: TokenShard) -> None:
    assert not np.array_equal(stream(shard, 1).batch(0, 4).tokens, stream(shard, 2).batch(0, 4).tokens)


def test_an_epoch_shows_every_row_once(shard: TokenShard) -> None:
    rows = stream(shard)
    starts = {tuple(rows.source_tokens(number).tolist()) for number in range(rows.rows_per_epoch)}
    assert len(starts) == rows.rows_per_epoch
    assert tuple(rows.source_tokens(rows.rows_per_epoch).tolist()) not in starts, (
        "the next epoch is cut at other offsets"
    )


def test_labels_are_the_next_tokens(shard: TokenShard) -> None:
    batch = stream(shard).batch(0, 8)
    for tokens, labels in zip(batch.tokens, batch.labels, strict=True):
        bearing = labels[:-1] != IGNORED
        assert np.array_equal(labels[:-1][bearing], tokens[1:][bearing])
    assert 0.3 < (batch.labels != IGNORED).mean() <= 1


def test_about_half_of_the_rows_are_infill(shard: TokenShard) -> None:
    sep = shard.tokenizer.special.sep
    infill = [sep in stream(shard).row(number) for number in range(200)]
    assert 0.35 < np.mean(infill) < 0.65


def test_answers_of_all_parts_are_marked_without_their_end(shard: TokenShard) -> None:
    special = shard.tokenizer.special
    end, sep, eom, mask = special.end_of_text, special.sep, special.eom, special.mask(1)
    row = np.array(
        [[65, end, 65, mask, end, sep, mask, 66, eom, end, 65, mask, end, sep, mask, 67, eom, end, 65, -1]]
    )
    marked = find_answers(row, special)[0]
    assert row[0][marked].tolist() == [mask, 66, eom, mask, 67, eom]


def test_a_corpus_shorter_than_two_rows_is_refused(shard: TokenShard) -> None:
    with pytest.raises(TrainingError, match="fewer than two rows of 10000000"):
        stream(shard, context=10_000_000)


def test_a_prefix_lm_bears_no_loss_on_prompts(shard: TokenShard) -> None:
    config = ObjectiveConfig(max_spans=3, max_span_chars=60, prefix_lm=True)
    batch = RowStream(shard, 64, config, seed=5).batch(0, 16)
    assert batch.regions.any()
    inside = batch.regions[:, 1:] > 0
    assert (batch.labels[:, :-1][inside] == IGNORED).all()
    assert (batch.labels != IGNORED).any()
    assert not stream(shard).batch(0, 16).regions.any(), "a causal objective has no prompts"


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_batches_are_those_of_the_stream_in_its_order(shard: TokenShard, workers: int) -> None:
    stream = RowStream(shard, 64, ObjectiveConfig(max_spans=3, max_span_chars=60), seed=5)
    batches = list(load_batches(stream, 3, range(2, 9), workers=workers))
    assert len(batches) == 7
    for step, batch in zip(range(2, 9), batches, strict=True):
        expected = stream.batch(step, 3)
        assert torch.equal(batch.tokens, torch.from_numpy(expected.tokens))
        assert torch.equal(batch.labels, torch.from_numpy(expected.labels))


def test_no_steps_make_no_batches(shard: TokenShard) -> None:
    stream = RowStream(shard, 64, ObjectiveConfig(), seed=5)
    assert list(load_batches(stream, 3, range(4, 4), workers=1)) == []
