"""Paired effects: bootstrap intervals over rows, and the spread over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cg2_training.errors import TrainingError

RESAMPLES = 4000
BOOTSTRAP_SEED = 20230503
LEVEL = 0.95
CHUNK = 500
"""Resamples drawn at once, which bounds the memory."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """Arm minus baseline, per unit of the measure.

    Attributes:
        mean: over all rows and seeds.
        low: lower end of the 95 % interval over rows, seeds averaged.
        high: upper end.
        by_seed: the same difference for each seed.
        rows: that were paired.
    """

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    rows: int

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation over seeds; None for one seed."""
        return deviation(self.by_seed)

    @property
    def is_resolved(self) -> bool:
        """Whether the interval excludes zero and every seed, of at least two, has the same sign."""
        signs = {np.sign(one) for one in self.by_seed}
        return self.low * self.high > 0 and len(self.by_seed) > 1 and len(signs) == 1


def paired_effect(arm: FloatArray, baseline: FloatArray, weights: FloatArray) -> Effect:
    """Compare two arms on the same rows and seeds.

    Args:
        arm: sums by seed and row, float64 [seeds, rows].
        baseline: likewise, of the same seeds and rows.
        weights: what a row's sum is divided by, at least 0, float64 [rows].

    Raises:
        TrainingError: shapes differ, or there is nothing to divide by.
    """
    if arm.shape != baseline.shape or arm.shape[1:] != weights.shape or arm.size == 0:
        raise TrainingError("the arms were not scored on the same rows and seeds, so they cannot be paired.")
    if weights.sum() <= 0:
        raise TrainingError("the rows have no labels of this measure, so there is nothing to compare.")
    differences = arm - baseline
    by_seed = differences.sum(axis=1) / weights.sum()
    mean_by_row = differences.mean(axis=0)
    low, high = _interval(mean_by_row, weights)
    return Effect(float(by_seed.mean()), low, high, tuple(by_seed.tolist()), len(weights))


def deviation(values: tuple[float, ...]) -> float | None:
    """Return the standard deviation of a sample; None for one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _interval(sums: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the percentile interval of a ratio of sums over resampled rows."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    rows = len(sums)
    found: list[FloatArray] = []
    for first in range(0, RESAMPLES, CHUNK):
        drawn = rng.integers(rows, size=(min(CHUNK, RESAMPLES - first), rows))
        below = weights[drawn].sum(axis=1)
        found.append(sums[drawn].sum(axis=1) / np.where(below > 0, below, np.nan))
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)
