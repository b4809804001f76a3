"""How long an answer may take."""

from __future__ import annotations

from time import perf_counter


class Deadline:
    """The limit of one answer, from the moment this is made.

    Args:
        total_ms: time for the whole answer; None for no limit.
    """

    def __init__(self, total_ms: float | None) -> None:
        self._end = None if total_ms is None else perf_counter() + total_ms / 1e3

    def leaves(self, seconds: float) -> bool:
        """Whether something that takes so long would still be done in time.

        Args:
            seconds: what it is expected to take.
        """
        return self._end is None or perf_counter() + seconds <= self._end
