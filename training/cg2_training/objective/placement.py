"""Random spans of one part: uniform lengths whose sum is given, placed uniformly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Span = tuple[int, int]

GIBBS_SWEEPS = 8
"""Redraws of every length in a pair with another one; two lengths are exact after the first."""


def draw_lengths(total: int, longest: int, max_spans: int, rng: np.random.Generator) -> IntArray:
    """Draw independent uniform lengths from 1 to `longest`, on the condition that they sum to `total`.

    The number of spans is what makes their mean that of the uniform distribution, rounded up or down by chance.
    No length depends on its place among the others.

    Args:
        total: their sum, at least 1.
        longest: greatest length, if the sum is not smaller; where `max_spans` such spans would have too small a
            mean, it grows to twice the mean that is needed, so that the sum is always reached.
        max_spans: most spans, at least 1.
        rng: decides.

    Returns:
        int64 [spans].
    """
    longest = min(longest, total)
    count = max(1, min(total, int(2 * total / (longest + 1) + rng.random())))
    if count > max_spans:
        count = max_spans
        longest = max(longest, math.ceil(2 * total / count))
    lengths = np.full(count, total // count, dtype=np.int64)
    lengths[: total % count] += 1
    lengths = rng.permutation(lengths)
    half = count // 2
    # Gibbs sampling: the sum of a pair stays, and how it is divided is uniform among the ways that are allowed.
    for _ in range(GIBBS_SWEEPS if half else 0):
        order = rng.permutation(count)
        one, other = order[:half], order[half : 2 * half]
        sums = lengths[one] + lengths[other]
        lengths[one] = rng.integers(np.maximum(1, sums - longest), np.minimum(longest, sums - 1) + 1)
        lengths[other] = sums - lengths[one]
    return lengths


def draw_covering_spans(
    share: float, size: int, longest: int, max_spans: int, rng: np.random.Generator
) -> list[Span]:
    """Spans of uniform lengths that cover this share of `size` characters, and at least one of them."""
    total = min(size - 1, max(1, round(share * size)))
    gaps = size - total + 1
    return place_spans(draw_lengths(total, longest, min(max_spans, gaps), rng).tolist(), size, rng)


def place_spans(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[Span]:
    """Spans of these lengths in a text of `size` characters; the unmasked rest is spread over the gaps uniformly."""
    inner_gaps = len(lengths) - 1
    free = size - sum(lengths) - inner_gaps
    cuts = np.sort(rng.integers(0, free + 1, size=len(lengths)))
    spans, before = [], 0
    for number, (cut, length) in enumerate(zip(cuts.tolist(), lengths, strict=True)):
        start = cut + before + number
        spans.append((start, start + length))
        before += length
    return spans
