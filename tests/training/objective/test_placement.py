"""Span lengths reach their sum exactly and do not depend on their place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.objective.placement import draw_lengths


@given(st.integers(1, 5000), st.integers(1, 2000), st.integers(1, 900), st.integers(0, 1000))
def test_lengths_have_the_sum_that_was_asked_for(total: int, longest: int, most: int, seed: int) -> None:
    lengths = draw_lengths(total, longest, most, np.random.default_rng(seed))
    assert lengths.sum() == total
    assert 1 <= len(lengths) <= most
    assert lengths.min() >= 1
    assert lengths.max() <= max(longest, -(-2 * total // most))


def test_two_lengths_are_uniform() -> None:
    rng = np.random.default_rng(1)
    first = [int(draw_lengths(100, 100, 2, rng)[0]) for _ in range(5000)]
    counts = np.histogram(first, bins=5, range=(1, 100))[0] / 5000
    assert counts == pytest.approx(0.2, abs=0.03)


def test_many_lengths_are_nearly_uniform_up_to_the_longest() -> None:
    rng = np.random.default_rng(1)
    lengths = np.concatenate([draw_lengths(20_000, 100, 10_000, rng) for _ in range(20)])
    assert np.histogram(lengths, bins=4, range=(1, 101))[0] / len(lengths) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("total", [90, 500, 1500])
def test_every_place_has_the_same_mean(total: int) -> None:
    rng = np.random.default_rng(1)
    by_place: dict[int, list[int]] = {}
    for _ in range(3000):
        drawn = draw_lengths(total, 400, 16, rng)
        if len(drawn) >= 2:
            for place, length in enumerate(drawn[:2]):
                by_place.setdefault(place, []).append(int(length))
            by_place.setdefault(-1, []).append(int(drawn[-1]))
    means = [np.mean(lengths) for lengths in by_place.values()]
    assert max(means) / min(means) < 1.05


def test_few_spans_are_longer_than_the_longest_rather_than_short_of_the_sum() -> None:
    lengths = draw_lengths(3000, 100, 3, np.random.default_rng(1))
    assert len(lengths) == 3
    assert lengths.sum() == 3000
