"""Mixture of sources: weights, epochs, and the source of each row.

The order depends only on the seed and the row's number. Rows come in blocks. Within a block each source has an exact
quota, and the block's permutation gives the positions of its rows. So a row's source, and the number of earlier rows
of that source, follow from the row's number without counting the rows before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cg2_training.errors import TrainingError

IntArray = npt.NDArray[np.int64]

BLOCK_ROWS = 1024
"""Rows of a block, at whose end the sources' shares are exact; the finest share is one of these rows."""


@dataclass(frozen=True, kw_only=True)
class SourceMix:
    """Settings of one source in a recipe.

    Attributes:
        weight: share of the rows, relative to the other sources' weights; 0 excludes the source.
        epochs: maximum number of times that the source is read; 0 means no limit. The other sources replace an
            exhausted one, by their weights.
    """

    weight: float
    epochs: float = 0.0


@dataclass(frozen=True)
class _Phase:
    """Blocks with the same quotas.

    Attributes:
        first: number of the first block.
        start: rows of each source before it, int64 [sources].
        quotas: rows of each source in one block, int64 [sources].
    """

    first: int
    start: IntArray
    quotas: IntArray


class Schedule:
    """Schedule that maps a row number to a source and to a row of that source.

    Attributes:
        limit: rows until every source is exhausted; None if a source has no limit.
    """

    def __init__(self, mixes: Sequence[SourceMix], rows_per_epoch: Sequence[int], seed: int) -> None:
        """Lay out the phases.

        Args:
            mixes: weight and maximum epochs of each source; at least one weight is above 0.
            rows_per_epoch: rows of one epoch of each source.
            seed: seed of the order within blocks.
        """
        self._seed = seed
        weights = np.array([mix.weight for mix in mixes], np.float64)
        remaining = np.array(
            [
                max(1, int(mix.epochs * rows)) if mix.epochs else np.inf
                for mix, rows in zip(mixes, rows_per_epoch, strict=True)
            ]
        )
        self._phases, self.limit = _phases(weights, remaining)
        self._firsts = [phase.first for phase in self._phases]
        self._order: tuple[int, IntArray, IntArray] = (-1, np.empty(0, np.int64), np.empty(0, np.int64))

    def locate(self, number: int) -> tuple[int, int]:
        """Return the source of row `number` and the number of earlier rows of that source.

        Raises:
            TrainingError: all sources are exhausted before this row.
        """
        if self.limit is not None and number >= self.limit:
            raise TrainingError(
                f"the mixture is exhausted after {self.limit} rows; raise the epochs in [data] or lower run.steps."
            )
        block, position = divmod(number, BLOCK_ROWS)
        if self._order[0] != block:
            self._order = (block, *self._block(block))
        return int(self._order[1][position]), int(self._order[2][position])

    def count_rows(self, rows: int) -> IntArray:
        """Count the rows of each source among the first `rows`, int64 [sources]."""
        block, position = divmod(rows if self.limit is None else min(rows, self.limit), BLOCK_ROWS)
        phase = self._phase(block)
        whole_blocks = phase.start + (block - phase.first) * phase.quotas
        return whole_blocks + np.bincount(self._block(block)[0][:position], minlength=len(phase.quotas))

    def _phase(self, block: int) -> _Phase:
        return self._phases[bisect_right(self._firsts, block) - 1]

    def _block(self, block: int) -> tuple[IntArray, IntArray]:
        """Return the source of each row of a block, and the row's number within that source."""
        phase = self._phase(block)
        sources = np.repeat(np.arange(len(phase.quotas)), phase.quotas)
        order = np.random.default_rng([self._seed, 4, block]).permutation(sources)
        numbers = np.empty_like(order)
        for source, before in enumerate(phase.start + (block - phase.first) * phase.quotas):
            is_source = order == source
            numbers[is_source] = before + np.arange(int(is_source.sum()))
        return order, numbers


def _phases(
    weights: npt.NDArray[np.float64], remaining: npt.NDArray[np.float64]
) -> tuple[list[_Phase], int | None]:
    """Return the phases for sources with `left` rows, and the total number of rows, None if unlimited."""
    phases: list[_Phase] = []
    start, block = np.zeros(len(weights), np.int64), 0
    while True:
        quotas = apportion(np.where(remaining > 0, weights, 0.0), remaining)
        phases.append(_Phase(block, start, quotas))
        if quotas.sum() < BLOCK_ROWS:
            return phases, block * BLOCK_ROWS + int(quotas.sum())
        used = quotas > 0
        whole_blocks = np.min(np.floor(remaining[used] / quotas[used]))
        if np.isinf(whole_blocks):
            return phases, None
        start, remaining, block = (
            start + int(whole_blocks) * quotas,
            remaining - whole_blocks * quotas,
            block + int(whole_blocks),
        )


def apportion(weights: npt.NDArray[np.float64], max_rows: npt.NDArray[np.float64]) -> IntArray:
    """Divide a block's rows by weight with the largest-remainder method, at most `max_rows` for each source.

    Args:
        weights: weights of the sources, at least 0.
        max_rows: rows that each source has; may be infinite.

    Returns:
        int64 [sources]; the sum is BLOCK_ROWS, or less if the sources have fewer rows.
    """
    quotas = np.zeros(len(weights), np.int64)
    while (rest := BLOCK_ROWS - int(quotas.sum())) > 0:
        open_ = (weights > 0) & (quotas < max_rows)
        if not open_.any():
            break
        exact = np.where(open_, weights, 0.0) / weights[open_].sum() * rest
        share = np.floor(exact).astype(np.int64)
        by_remainder = np.argsort(share - exact, kind="stable")
        share[by_remainder[: rest - int(share.sum())]] += 1
        # A source too small for one row would never be seen, so the largest source gives up a row.
        for source in np.flatnonzero(open_ & (quotas + share == 0)):
            share[source] += 1
            share[np.argmax(share)] -= 1
        quotas = np.minimum(quotas + share, max_rows).astype(np.int64)
    return quotas


def resolve_mixes(recipe: Mapping[str, SourceMix], tokens: Mapping[str, int]) -> dict[str, SourceMix]:
    """Return the weights of the existing sources.

    Args:
        recipe: the recipe's settings; if empty, the weight of a source is its number of tokens.
        tokens: number of tokens of each source.

    Raises:
        TrainingError: the recipe names an unknown source, omits one, or gives no source a weight.
    """
    if not recipe:
        return {name: SourceMix(weight=count) for name, count in tokens.items()}
    known = ", ".join(tokens)
    for name in recipe:
        if name not in tokens:
            raise TrainingError(
                f"the recipe's [data] names the source {name!r}, but the sources are: {known}."
            )
    for name in tokens:
        if name not in recipe:
            raise TrainingError(
                f"the recipe's [data] does not name the source {name!r}; give it a weight, or 0 to exclude it."
            )
    if not any(mix.weight for mix in recipe.values()):
        raise TrainingError(
            "every source in the recipe's [data] has the weight 0; give one a weight above 0."
        )
    return {name: recipe[name] for name in tokens if recipe[name].weight}
