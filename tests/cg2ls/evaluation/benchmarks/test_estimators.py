"""Estimates over tasks."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from cg2ls.evaluation.benchmarks.estimators import (
    estimate,
    estimate_differences,
    estimate_shares,
    pass_at_k,
)
from cg2ls.evaluation.benchmarks.journal import JournalRow


@pytest.mark.parametrize(("samples", "right", "k"), [(5, 0, 1), (5, 2, 1), (5, 2, 3), (5, 5, 2), (6, 3, 4)])
def test_pass_at_k_is_the_mean_over_all_choices(samples: int, right: int, k: int) -> None:
    results = [number < right for number in range(samples)]
    choices = [any(choice) for choice in combinations(results, k)]
    assert pass_at_k(samples, right, k) == pytest.approx(sum(choices) / len(choices))


def test_k_above_the_number_of_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 samples"):
        pass_at_k(2, 1, 3)


def row(task: str, exact: bool, passed: bool | None = None, sample: int = 0) -> JournalRow:
    return JournalRow(
        task=task,
        group=task.split("/")[0],
        trigger="invoked",
        exact=exact,
        shown=True,
        passed=passed,
        sample=sample,
    )


def test_shares_and_their_intervals() -> None:
    rows = [row(f"{group}/{number}", number == 0) for group in range(40) for number in range(4)]
    found = estimate_shares(rows)["exact"]
    assert found.mean == 0.25
    assert found.low == found.high == 0.25, "every group has the same share"
    assert "pass@1" not in estimate_shares(rows), "nothing was executed"


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(1)
    covered = 0
    for _ in range(60):
        hits = [float(draw.random() < 0.3) for _ in range(150)]
        found = estimate([str(n) for n in range(150)], hits)
        covered += found.low <= 0.3 <= found.high
    assert covered >= 50


def test_paired_differences_are_narrower_than_separate_intervals() -> None:
    draw = random.Random(2)
    hard = [draw.random() for _ in range(200)]
    ours = [row(f"p{n}/0", chance > 0.6) for n, chance in enumerate(hard)]
    theirs = [row(f"p{n}/0", chance > 0.7) for n, chance in enumerate(hard)]
    alone, found = estimate_shares(ours)["exact"], estimate_differences(ours, theirs)["exact"]
    assert found.mean == pytest.approx(alone.mean - estimate_shares(theirs)["exact"].mean)
    assert found.low > 0
    assert found.high - found.low < alone.high - alone.low
    assert estimate_differences(ours, theirs[:50])["exact"].of == 50, "only tasks that both have"


def test_pass_at_k_counts_every_sample_of_a_task() -> None:
    rows = [row("a/0", False, passed, n) for n, passed in enumerate([True, False, False, False])]
    found = estimate_shares(rows, (1, 2, 8))
    assert found["pass@1"].mean == 0.25
    assert found["pass@2"].mean == pytest.approx(0.5)
    assert "pass@8" not in found, "there are only four samples"
