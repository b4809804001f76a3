"""Choosing a token from logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LogSoftmax:
    """Log-probabilities of single tokens, in arrays that are made once.

    Args:
        vocab_size: length of the logits.
    """

    def __init__(self, vocab_size: int) -> None:
        self._scratch: NDArray[np.float32] = np.empty(vocab_size, dtype=np.float32)

    def at(self, logits: NDArray[np.float32], token: int) -> float:
        """Log-softmax of the logits at `token`, in nats, by log-sum-exp; NaN if the logits are."""
        peak = logits.max()
        np.subtract(logits, peak, out=self._scratch)
        chosen = float(self._scratch[token])
        np.exp(self._scratch, out=self._scratch)
        total = float(self._scratch.sum())
        return chosen - math.log(total) if total > 0 else math.nan


class Sampler:
    """Picks tokens: the likeliest at temperature 0, else at random from the nucleus.

    Args:
        temperature: 0, or the divisor of the logits.
        top_p: mass of the nucleus: the fewest likeliest tokens whose probabilities sum to at least this
            (Holtzman et al. 2020, arXiv 1904.09751).
        seed: of this sampler's own random numbers.
    """

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = np.random.default_rng(seed)

    def pick(self, logits: NDArray[np.float32], allowed: NDArray[np.int64] | None = None) -> int:
        """One token.

        Args:
            logits: float32 [vocab].
            allowed: ids to choose from, at least one; None for all.
        """
        candidates = logits if allowed is None else logits[allowed]
        position = self._greedy(candidates) if self._temperature == 0 else self._draw(candidates)
        return position if allowed is None else int(allowed[position])

    @staticmethod
    def _greedy(candidates: NDArray[np.float32]) -> int:
        return int(candidates.argmax())

    def _draw(self, candidates: NDArray[np.float32]) -> int:
        weights = candidates - candidates.max()
        weights /= np.float32(self._temperature)
        np.exp(weights, out=weights)
        if self._top_p == 1:
            return self._from(weights)
        nucleus = _nucleus(weights, self._top_p)
        return int(nucleus[self._from(weights[nucleus])])

    def _from(self, weights: NDArray[np.float32]) -> int:
        cumulative = weights.cumsum(dtype=np.float64)
        drawn = self._random.random() * cumulative[-1]
        return min(int(np.searchsorted(cumulative, drawn, side="right")), len(weights) - 1)


def _nucleus(weights: NDArray[np.float32], mass: float) -> NDArray[np.intp]:
    """Positions of the fewest largest weights that make up at least this share of the sum.

    Weights below (1 - mass) / n of the sum are left out before sorting: all of them together make up less
    than 1 - mass, so the nucleus is complete without them. Only values are sorted, which is several times
    faster than sorting positions.
    """
    total = float(weights.sum(dtype=np.float64))
    likely = weights[weights >= (1 - mass) / len(weights) * total]
    descending = np.sort(likely)[::-1]
    size = min(int(np.searchsorted(descending.cumsum(dtype=np.float64), mass * total)) + 1, len(likely))
    least = descending[size - 1]
    above = np.flatnonzero(weights > least)
    ties = np.flatnonzero(weights == least)[: size - len(above)]
    return np.concatenate([above, ties])
