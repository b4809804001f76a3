"""Intervals of shares over resampled files."""

from __future__ import annotations

import numpy as np
import pytest

from cg2ls.evaluation.statistics import bootstrap_interval


def test_files_that_agree_have_no_spread():
    assert bootstrap_interval(["a", "b", "c"], [1, 1, 1], [2, 2, 2]) == (0.5, 0.5)


def test_places_of_one_file_count_as_one():
    """Many places in few files are weaker evidence than as many places in many files."""
    hits = [1, 0] * 100
    many = bootstrap_interval([str(i) for i in range(200)], hits, [1] * 200)
    few = bootstrap_interval([str(i % 8) for i in range(200)], [i % 8 < 4 for i in range(200)], [1] * 200)
    assert many[1] - many[0] < few[1] - few[0]
    assert many[0] < 0.5 < many[1]


def test_it_is_near_the_normal_interval_of_a_share():
    hits = np.random.default_rng(1).random(400) < 0.3
    low, high = bootstrap_interval([str(i) for i in range(400)], list(hits), [1.0] * 400)
    width = 2 * 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 400)
    assert high - low == pytest.approx(width, rel=0.1)


def test_nothing_observed():
    assert bootstrap_interval(["a"], [0], [0]) == (0, 0)
