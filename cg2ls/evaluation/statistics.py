"""Percentiles, quartiles and confidence intervals of measured values."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOTSTRAP_DRAWS = 2000
INTERVAL_PERCENTILES = (2.5, 97.5)
"""Percentiles that enclose 95 % of the draws."""


def percentiles(values: Sequence[float], percents: Sequence[int]) -> dict[str, float]:
    """Return percentiles by name, such as `p50`, linearly interpolated."""
    found = np.percentile(np.asarray(values, dtype=np.float64), percents)
    return {f"p{percent}": round(float(value), 3) for percent, value in zip(percents, found, strict=True)}


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the first and the third quartile."""
    if len(values) < 2:
        return [round(values[0], 3)] * 2
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [round(first, 3), round(third, 3)]


def bootstrap_interval(
    files: Sequence[str], hits: Sequence[float], of: Sequence[float], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of sum(hits) / sum(of), by bootstrap over files.

    Positions of one file resemble each other, so files are drawn, not positions (the cluster bootstrap, Davison
    and Hinkley 1997, section 3.8).

    Args:
        files: the file of each observation.
        hits: each observation's addend to the numerator.
        of: each observation's addend to the denominator.
        seed: seed of the draws.
    """
    names, owners = np.unique(np.asarray(files), return_inverse=True)
    numerators = np.bincount(owners, weights=np.asarray(hits, dtype=np.float64))
    denominators = np.bincount(owners, weights=np.asarray(of, dtype=np.float64))
    drawn = np.random.default_rng(seed).integers(len(names), size=(BOOTSTRAP_DRAWS, len(names)))
    sums = denominators[drawn].sum(axis=1)
    kept = sums > 0
    if not kept.any():
        return 0.0, 0.0
    shares = numerators[drawn].sum(axis=1)[kept] / sums[kept]
    low, high = np.percentile(shares, INTERVAL_PERCENTILES)
    return float(low), float(high)
