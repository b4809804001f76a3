"""Random spans of one part: uniform lengths with a given sum, at uniform positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Span = tuple[int, int]

GIBBS_SWEEPS = 8
"""Number of times that each length is redrawn in a pair; two lengths are exact after the first."""


def draw_lengths(total: int, max_length: int, max_spans: int, rng: np.random.Generator) -> IntArray:
    """Draw independent uniform lengths from 1 to `max_length`, conditioned on their sum `total`.

    The number of spans gives them the mean of the uniform distribution; it is rounded up or down at random.
    No length depends on its index.

    Args:
        total: sum of the lengths, at least 1.
        max_length: maximum length. It grows to twice the required mean if `max_spans` such spans are too few to
            reach the sum.
        max_spans: maximum number of spans, at least 1.
        rng: random generator.

    Returns:
        int64 [spans].
    """
    max_length = min(max_length, total)
    count = max(1, min(total, int(2 * total / (max_length + 1) + rng.random())))
    if count > max_spans:
        count = max_spans
        max_length = max(max_length, math.ceil(2 * total / count))
    lengths = np.full(count, total // count, dtype=np.int64)
    lengths[: total % count] += 1
    lengths = rng.permutation(lengths)
    half = count // 2
    # Gibbs sampling: the sum of a pair stays, and its split is uniform among the allowed ones.
    for _ in range(GIBBS_SWEEPS if half else 0):
        order = rng.permutation(count)
        one, other = order[:half], order[half : 2 * half]
        sums = lengths[one] + lengths[other]
        lengths[one] = rng.integers(np.maximum(1, sums - max_length), np.minimum(max_length, sums - 1) + 1)
        lengths[other] = sums - lengths[one]
    return lengths


def draw_covering_spans(
    share: float, size: int, max_length: int, max_spans: int, rng: np.random.Generator
) -> list[Span]:
    """Draw spans of uniform lengths that cover this share of `size` characters, and at least one character."""
    total = min(size - 1, max(1, round(share * size)))
    gaps = size - total + 1
    return place_spans(draw_lengths(total, max_length, min(max_spans, gaps), rng).tolist(), size, rng)


def place_spans(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[Span]:
    """Place spans of these lengths in a text of `size` characters; the gaps between them are uniform."""
    inner_gaps = len(lengths) - 1
    free = size - sum(lengths) - inner_gaps
    cuts = np.sort(rng.integers(0, free + 1, size=len(lengths)))
    spans, before = [], 0
    for number, (cut, length) in enumerate(zip(cuts.tolist(), lengths, strict=True)):
        start = cut + before + number
        spans.append((start, start + length))
        before += length
    return spans
