"""How much a share would differ had other files been looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS = 2000
MIDDLE = (2.5, 97.5)
"""Percentiles between which 95 % of the draws lie."""


def spread(
    files: Sequence[str], hits: Sequence[float], of: Sequence[float], seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of sum(hits) / sum(of), files drawn anew with replacement.

    Places of one file resemble each other, so files are drawn and not places (the cluster bootstrap, Davison
    and Hinkley 1997, section 3.8).

    Args:
        files: the file of each observation.
        hits: what each adds to the numerator.
        of: what each adds to the denominator.
        seed: of the draws.
    """
    names, owners = np.unique(np.asarray(files), return_inverse=True)
    above = np.bincount(owners, weights=np.asarray(hits, dtype=np.float64))
    below = np.bincount(owners, weights=np.asarray(of, dtype=np.float64))
    drawn = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
    denominators = below[drawn].sum(axis=1)
    kept = denominators > 0
    if not kept.any():
        return 0.0, 0.0
    shares = above[drawn].sum(axis=1)[kept] / denominators[kept]
    low, high = np.percentile(shares, MIDDLE)
    return float(low), float(high)
