"""Workers make batches faster, never different."""

from __future__ import annotations

import pytest
import torch

from cg2_training.data.batches import RowStream
from cg2_training.data.loader import load_batches
from cg2_training.data.shards import TokenShard
from cg2_training.objective import ObjectiveConfig


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
