"""Choose how long to wait after a key before the model runs, so that it runs when the user pauses.

If answers arrive faster than keys, waiting is useless. If they do not, the next key would make each answer obsolete;
then the wait is a little longer than the gaps between keys. Tabby's agent also scales such gaps, but it does not wait
before its first measured answer: its mean of no values is not a number. Here every value is defined from the
start.
"""

from __future__ import annotations

from collections import deque
from statistics import median

MAX_GAPS = 20
MAX_ANSWERS = 10
"""Numbers of the latest keys and answers that count."""

INITIAL_GAP_S = 0.16
MIN_GAP_S, MAX_GAP_S = 0.05, 0.5
"""Gaps between keys: the assumption before the first one, and the range that counts as typing."""

WAIT_PER_GAP = 1.25
"""Length of the wait, as a multiple of the gap between keys."""

MAX_ANSWER_PER_GAP = 0.5
"""An answer that takes at most this share of a gap needs no wait."""

MAX_WAIT_S = 0.4


class Debounce:
    """Gaps between one user's keys and times of one model's answers, in seconds."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gaps: deque[float] = deque([INITIAL_GAP_S], maxlen=MAX_GAPS)
        self._answers: deque[float] = deque(maxlen=MAX_ANSWERS)

    def record_key(self, now: float) -> None:
        """Record a key at a time of any clock; pauses do not count."""
        if self._last is not None and MIN_GAP_S <= now - self._last <= MAX_GAP_S:
            self._gaps.append(now - self._last)
        self._last = now

    def record_answer(self, seconds: float) -> None:
        """Record how long the model took to answer."""
        if 0 <= seconds < float("inf"):
            self._answers.append(seconds)

    def compute_wait(self) -> float:
        """Return the seconds to wait after a key."""
        gap = median(self._gaps)
        if not self._answers or median(self._answers) <= MAX_ANSWER_PER_GAP * gap:
            return 0.0
        return min(MAX_WAIT_S, WAIT_PER_GAP * gap)
