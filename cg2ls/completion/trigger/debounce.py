"""How long to wait after a key before the model runs, so that it runs where someone pauses.

Where answers come faster than keys there is nothing to wait for. Where they do not, each would be thrown away by the
next key; the wait is then a little longer than the gaps between keys. Tabby's agent scales such gaps too, and waits not
at all once no answer is measured, since its mean of none is not a number; here every number has a value from the start.
"""

from __future__ import annotations

from collections import deque
from statistics import median

GAPS = 20
ANSWERS = 10
"""Keys and answers that are looked back on."""

FIRST_GAP = 0.16
SHORTEST_GAP, LONGEST_GAP = 0.05, 0.5
"""Seconds between keys: before any were seen, and what counts as typing."""

PATIENCE = 1.25
"""The wait in gaps between keys."""

FAST_ENOUGH = 0.5
"""An answer that takes this share of a gap needs no wait."""

LONGEST_WAIT = 0.4
"""Seconds."""


class Debounce:
    """One user's keys and one model's answers, in seconds."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gaps: deque[float] = deque([FIRST_GAP], maxlen=GAPS)
        self._answers: deque[float] = deque(maxlen=ANSWERS)

    def key(self, now: float) -> None:
        """Notes a key, by any clock; pauses do not count."""
        if self._last is not None and SHORTEST_GAP <= now - self._last <= LONGEST_GAP:
            self._gaps.append(now - self._last)
        self._last = now

    def answered(self, seconds: float) -> None:
        """Notes how long the model took for an answer."""
        if 0 <= seconds < float("inf"):
            self._answers.append(seconds)

    def wait(self) -> float:
        """Seconds to wait after a key."""
        gap = median(self._gaps)
        if not self._answers or median(self._answers) <= FAST_ENOUGH * gap:
            return 0.0
        return min(LONGEST_WAIT, PATIENCE * gap)
