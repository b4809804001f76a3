"""Estimates over tasks: means with intervals, pass@k without bias, and paired differences."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from cg2ls.evaluation.benchmarks.journal import JournalRow


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, by bootstrap over groups of tasks.

    Attributes:
        mean: the mean.
        low: lower end of the interval.
        high: upper end of the interval.
        of: number of observations.
    """

    mean: float
    low: float
    high: float
    of: int

    def to_json(self) -> dict[str, float]:
        """Return the numbers, rounded."""
        return {
            "mean": round(self.mean, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "of": self.of,
        }

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(groups: Sequence[str], hits: Sequence[float], of: Sequence[float] | None = None) -> Estimate:
    """Estimate sum(hits) / sum(of).

    Args:
        groups: the group of each observation.
        hits: each observation's addend to the numerator.
        of: each observation's addend to the denominator; None for 1.
    """
    below = [1.0] * len(hits) if of is None else list(of)
    total = sum(below)
    if not total:
        return Estimate(0.0, 0.0, 0.0, 0)
    low, high = bootstrap_interval(groups, hits, below)
    return Estimate(sum(hits) / total, low, high, int(total))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Compute the probability that at least one of k samples is right, without bias (Chen et al. 2021).

    Args:
        samples: samples drawn, at least k.
        right: right ones among them.
        k: number of samples that a user would examine.

    Raises:
        ValueError: there are fewer than k samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs at least {k} samples, but there are {samples}")
    if samples - right < k:
        return 1.0
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


Measure = Callable[["JournalRow"], float]

SHARES: Mapping[str, tuple[Measure, Measure]] = {
    "exact": (lambda row: row.exact, lambda _: 1),
    "edit_similarity": (lambda row: row.similarity, lambda _: 1),
    "shown": (lambda row: row.shown, lambda _: 1),
    "exact_of_shown": (lambda row: row.exact and row.shown, lambda row: row.shown),
}
"""Reported shares: a row's addend to the numerator, and to the denominator."""


def estimate_shares(rows: Sequence[JournalRow], ks: Iterable[int] = (1,)) -> dict[str, Estimate]:
    """Estimate all shares of rows of one trigger, and pass@k where the rows were executed."""
    groups = [row.group for row in rows]
    found = {
        name: estimate(groups, [float(hit(row)) for row in rows], [float(of(row)) for row in rows])
        for name, (hit, of) in SHARES.items()
    }
    for k, by_task in _passes(rows, ks).items():
        found[f"pass@{k}"] = estimate([group for group, _ in by_task], [share for _, share in by_task])
    return found


def estimate_differences(
    rows: Sequence[JournalRow], others: Sequence[JournalRow], ks: Iterable[int] = (1,)
) -> dict[str, Estimate]:
    """Estimate how much higher each mean of `rows` is than that of `others`, task by task.

    Tasks that only one of them has are left out. `exact_of_shown` has no difference, as its denominators differ.
    """
    found: dict[str, Estimate] = {}
    for name, (hit, _) in SHARES.items():
        if name != "exact_of_shown":
            found[name] = _difference(_by_task(rows, hit), _by_task(others, hit))
    ours, theirs = _passes(rows, ks), _passes(others, ks)
    for k in ours.keys() & theirs.keys():
        found[f"pass@{k}"] = _difference(_passes_by_task(rows, k), _passes_by_task(others, k))
    return found


def _difference(ours: Mapping[str, tuple[str, float]], theirs: Mapping[str, tuple[str, float]]) -> Estimate:
    shared = [name for name in ours if name in theirs]
    return estimate([ours[name][0] for name in shared], [ours[name][1] - theirs[name][1] for name in shared])


def _by_task(rows: Sequence[JournalRow], measure: Measure) -> dict[str, tuple[str, float]]:
    """Return group and mean of each task over its samples."""
    values: dict[str, list[float]] = defaultdict(list)
    groups = {row.task: row.group for row in rows}
    for row in rows:
        values[row.task].append(float(measure(row)))
    return {task: (groups[task], sum(each) / len(each)) for task, each in values.items()}


def _passes(rows: Sequence[JournalRow], ks: Iterable[int]) -> dict[int, list[tuple[str, float]]]:
    """Return group and pass@k of each task, by k; k is left out if a task has fewer samples."""
    return {k: list(each.values()) for k in ks if (each := _passes_by_task(rows, k))}


def _passes_by_task(rows: Sequence[JournalRow], k: int) -> dict[str, tuple[str, float]]:
    executed: dict[str, list[bool]] = defaultdict(list)
    groups = {row.task: row.group for row in rows}
    for row in rows:
        if row.passed is not None:
            executed[row.task].append(row.passed)
    if not executed or min(map(len, executed.values())) < k:
        return {}
    return {
        task: (groups[task], pass_at_k(len(results), sum(results), k)) for task, results in executed.items()
    }
