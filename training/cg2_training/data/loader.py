"""Batches made ahead of time, in processes of their own, in the order of their steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cg2_training.data.batches import TrainingRows
from cg2_training.errors import TrainingError

PREFETCHED_BATCHES = 4
"""Batches that each worker keeps ready."""


class StepTensors(NamedTuple):
    """What one step trains on.

    Attributes:
        tokens: int64 [rows, context].
        labels: int64 [rows, context], IGNORED where no loss falls.
        regions: int64 [rows, context] for a prefix LM, see `Batch`; [rows, 0] for a causal one.
    """

    tokens: Tensor
    labels: Tensor
    regions: Tensor


class _Steps(Dataset[StepTensors]):
    def __init__(self, stream: TrainingRows, rows: int, rank: int, world: int) -> None:
        self.stream, self.rows = stream, rows
        self.share = rows // world
        self.first = rank * self.share

    def __getitem__(self, step: int) -> StepTensors:
        batch = self.stream.rows(step * self.rows + self.first, self.share)
        regions = batch.regions if self.stream.objective.prefix_lm else batch.regions[:, :0]
        return StepTensors(*map(torch.from_numpy, (batch.tokens, batch.labels, regions)))


def load_batches(
    stream: TrainingRows,
    rows: int,
    steps: range,
    *,
    workers: int,
    rank: int = 0,
    world: int = 1,
    pin: bool = False,
) -> Iterator[StepTensors]:
    """Return the batches of the steps, in their order, or one process's share of them.

    Which worker or process makes a row changes nothing in it: it depends on the seed and its number alone.

    Args:
        stream: where rows come from.
        rows: rows of one step, a multiple of `world`.
        steps: which steps.
        workers: processes that work ahead; 0 makes each batch when it is asked for.
        rank: which share to make.
        world: shares of a step.
        pin: put batches into page-locked memory, from which a GPU copies faster.

    Raises:
        TrainingError: the stream ends before the last step.
    """
    if stream.limit is not None and steps.stop * rows > stream.limit:
        raise TrainingError(
            f"{steps.stop} steps need {steps.stop * rows} rows, but the mixture is used up after {stream.limit};"
            " raise the epochs in [data] or lower run.steps."
        )
    loader = DataLoader(
        _Steps(stream, rows, rank, world),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=PREFETCHED_BATCHES if workers else None,
        worker_init_fn=_single_threaded,
        pin_memory=pin,
    )
    yield from loader


def _single_threaded(_worker: int) -> None:
    """Workers are the parallelism; threads of the tokenizer in each would only get in one another's way."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
