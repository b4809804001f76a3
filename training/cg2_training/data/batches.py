"""Training rows from token shards; the batch of a step depends only on the seed and the step.

Worker processes prepare batches in the order of the steps.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cg2_training.data.mixture import Schedule, SourceMix, resolve_mixes
from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.objective import IGNORED, ObjectiveConfig, Row, corrupt_row, make_causal_row, make_labels
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        tokens: int64 [rows, context].
        labels: int64 [rows, context], IGNORED where there is no loss.
        answers: bool [rows, context], True where the label belongs to an infill answer.
        regions: int64 [rows, context], number of the prompt in which the token has bidirectional attention, from 1;
            0 where attention is causal. Only a prefix LM has regions.
    """

    tokens: IntArray
    labels: IntArray
    answers: npt.NDArray[np.bool_]
    regions: IntArray


class TrainingRows(ABC):
    """Training rows by number.

    Attributes:
        tokenizer: tokenizer of all rows.
        context: tokens of a row.
        objective: options for corrupting rows.
        limit: number of rows; None if unlimited.
    """

    limit: int | None = None

    def __init__(self, tokenizer: CodeTokenizer, context: int, objective: ObjectiveConfig) -> None:
        self.tokenizer, self.context, self.objective = tokenizer, context, objective

    @abstractmethod
    def make_row(self, number: int) -> Row:
        """Make row `number`, of at most `context + 1` tokens, with its prompts marked."""

    def origin(self, number: int) -> str:  # noqa: ARG002
        """Return the source of row `number`; "" if there is only one source."""
        return ""

    @abstractmethod
    def epochs(self, rows: int) -> dict[str, float]:
        """Return how often each source has been read after this many rows."""

    def row(self, number: int) -> IntArray:
        """Return row `number` as int64 [context + 1], -1 at padding."""
        return self._padded(self.make_row(number).tokens, -1)

    def _padded(self, values: list[int], padding: int) -> IntArray:
        row = np.full(self.context + 1, padding, dtype=np.int64)
        row[: len(values)] = values
        return row

    def batch(self, step: int, rows: int) -> Batch:
        """Return the batch of one step (counted from 0)."""
        return self.rows(step * rows, rows)

    def rows(self, first: int, count: int) -> Batch:
        """Return rows `first` to `first + count - 1` as a batch."""
        rows = [self.make_row(first + i) for i in range(count)]
        table = np.stack([self._padded(row.tokens, -1) for row in rows])
        special = self.tokenizer.special
        labels = make_labels(table, special).astype(np.int64)
        labels[table[:, 1:] < 0] = IGNORED
        regions = np.zeros_like(labels)
        if self.objective.prefix_lm:
            marked = np.stack([self._padded(row.regions, 0) for row in rows])
            labels[marked[:, 1:] > 0] = IGNORED
            regions = marked[:, :-1]
        tokens = np.where(table < 0, special.end_of_text, table)[:, :-1]
        return Batch(tokens, labels, find_answers(table, special)[:, 1:], regions)


class RowStream(TrainingRows):
    """Rows of `context + 1` tokens of a shard, in an order that the seed decides.

    Every epoch cuts the shard at a new offset and uses a new permutation of the rows.
    """

    def __init__(self, shard: TokenShard, context: int, objective: ObjectiveConfig, seed: int) -> None:
        super().__init__(shard.tokenizer, context, objective)
        self.shard, self.seed = shard, seed
        self.rows_per_epoch = (len(shard.tokens) - 1) // context - 1
        if self.rows_per_epoch < 1:
            raise TrainingError(
                f"the corpus has {len(shard.tokens)} tokens, fewer than two rows of {context}; add documents."
            )
        self._permutation: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def epochs(self, rows: int) -> dict[str, float]:
        """Return how often the shard has been read after this many rows."""
        return {"the data": rows / self.rows_per_epoch}

    def source_tokens(self, number: int) -> npt.NDArray[np.unsignedinteger]:
        """Return the uncorrupted tokens [context + 1] of row `number`."""
        epoch, index = divmod(number, self.rows_per_epoch)
        if self._permutation[0] != epoch:
            rng = np.random.default_rng([self.seed, 1, epoch])
            self._permutation = (epoch, rng.permutation(self.rows_per_epoch))
        offset = int(np.random.default_rng([self.seed, 2, epoch]).integers(self.context))
        start = offset + int(self._permutation[1][index]) * self.context
        return self.shard.tokens[start : start + self.context + 1]

    def make_row(self, number: int) -> Row:
        """Make row `number`, of at most `context + 1` tokens, with its prompts marked."""
        rng = np.random.default_rng([self.seed, 3, number])
        source = self.source_tokens(number)
        if rng.random() < self.objective.infill_share:
            return corrupt_row(
                source.tolist(), self.tokenizer, self.objective, rng, max_tokens=self.context + 1
            )
        prefixes = rng if self.objective.prefix_lm else None
        return make_causal_row(source.tolist(), self.tokenizer.special.end_of_text, prefixes)


class MixedStream(TrainingRows):
    """Rows of several sources, interleaved by weight; each source's order is that of its `RowStream`.

    A source's seed depends on its name, so that its rows stay the same when another source is added.
    """

    def __init__(
        self,
        shards: Mapping[str, TokenShard],
        mixes: Mapping[str, SourceMix],
        context: int,
        objective: ObjectiveConfig,
        seed: int,
    ) -> None:
        """Make the streams of the sources in `mixes`.

        Raises:
            TrainingError: a source is too small for two rows.
        """
        self.names = list(mixes)
        super().__init__(shards[self.names[0]].tokenizer, context, objective)
        self.streams = [
            _named_stream(name, shards[name], context, objective, _source_seed(name, seed))
            for name in self.names
        ]
        self.rows_per_epoch = [stream.rows_per_epoch for stream in self.streams]
        self.schedule = Schedule(list(mixes.values()), self.rows_per_epoch, seed)
        self.limit = self.schedule.limit

    def origin(self, number: int) -> str:
        """Return the source of row `number`."""
        return self.names[self.schedule.locate(number)[0]]

    def make_row(self, number: int) -> Row:
        """Make row `number`, of at most `context + 1` tokens, with its prompts marked."""
        source, index = self.schedule.locate(number)
        return self.streams[source].make_row(index)

    def epochs(self, rows: int) -> dict[str, float]:
        """Return how often each source has been read after this many rows."""
        read = self.schedule.count_rows(rows) / np.array(self.rows_per_epoch)
        return dict(zip(self.names, read.tolist(), strict=True))


def row_stream(
    tokens: TokenShard | ShardSet,
    context: int,
    objective: ObjectiveConfig,
    seed: int,
    data: Mapping[str, SourceMix] | None = None,
) -> TrainingRows:
    """Return the rows of a shard, or of a mixture of shards.

    Args:
        tokens: tokens to train on.
        context: tokens of a row.
        objective: options for corrupting rows.
        seed: seed of the order and of every corruption.
        data: weight and epochs of each source; see `resolve_mixes`.

    Raises:
        TrainingError: a source is too small, or `data` does not fit the sources.
    """
    shards = ShardSet.of(tokens).shards
    mixes = resolve_mixes(data or {}, {name: len(shard.tokens) for name, shard in shards.items()})
    if len(shards) == 1 and not data:
        return RowStream(next(iter(shards.values())), context, objective, seed)
    return MixedStream(shards, mixes, context, objective, seed)


def _named_stream(
    name: str, shard: TokenShard, context: int, objective: ObjectiveConfig, seed: int
) -> RowStream:
    try:
        return RowStream(shard, context, objective, seed)
    except TrainingError as error:
        raise TrainingError(f"source {name}: {error}") from None


def _source_seed(name: str, seed: int) -> int:
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])


def find_answers(table: IntArray, special: SpecialTokens) -> npt.NDArray[np.bool_]:
    """Return a mask of the tokens [rows, time] in infill answers: those between `<sep>` and the part's end."""
    times = np.arange(table.shape[1])

    def last_position(token: int) -> IntArray:
        return np.maximum.accumulate(np.where(table == token, times, -1), axis=1)

    begun = last_position(special.sep)
    return (begun >= 0) & (times > begun) & (last_position(special.end_of_text) < begun) & (table >= 0)


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
