"""Loader that prepares batches in worker processes, in the order of the steps."""

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
"""Batches that each worker prepares ahead."""


class StepTensors(NamedTuple):
    """Tensors of one training step.

    Attributes:
        tokens: int64 [rows, context].
        labels: int64 [rows, context], IGNORED where there is no loss.
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
    process: tuple[int, int] = (0, 1),
    pin: bool = False,
) -> Iterator[StepTensors]:
    """Yield the batches of the steps in order, or one process's share of them.

    A row depends only on the seed and its number, not on the worker or process that makes it.

    Args:
        stream: source of the rows.
        rows: rows of one step, a multiple of the number of processes.
        steps: numbers of the steps.
        workers: number of worker processes; 0 makes each batch on demand.
        process: number of this process and number of processes that share a step.
        pin: whether to use page-locked memory, from which a GPU copies faster.

    Raises:
        TrainingError: the stream ends before the last step.
    """
    if stream.limit is not None and steps.stop * rows > stream.limit:
        raise TrainingError(
            f"{steps.stop} steps need {steps.stop * rows} rows, but the mixture is exhausted after {stream.limit};"
            " raise the epochs in [data] or lower run.steps."
        )
    loader = DataLoader(
        _Steps(stream, rows, *process),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=PREFETCHED_BATCHES if workers else None,
        worker_init_fn=_single_threaded,
        pin_memory=pin,
    )
    yield from loader


def _single_threaded(_worker: int) -> None:
    """Limit a worker to one thread: the workers are parallel already, and more threads would compete."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
