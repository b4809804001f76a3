"""How long an answer may take."""

from __future__ import annotations

from time import perf_counter


class Deadline:
    """The limits of one answer, from the moment this is made.

    Args:
        first_by_ms: time for the first token; None for no limit.
        total_ms: time for the whole answer; None for no limit.
    """

    def __init__(self, first_by_ms: float | None, total_ms: float | None) -> None:
        began = perf_counter()
        limits = [limit for limit in (first_by_ms, total_ms) if limit is not None]
        self._first_by = began + min(limits) / 1e3 if limits else None
        self._end = None if total_ms is None else began + total_ms / 1e3

    def leaves(self, seconds: float, *, first: bool) -> bool:
        """Whether something that takes so long would still be done in time.

        Args:
            seconds: what it is expected to take.
            first: whether the answer has no token yet.
        """
        end = self._first_by if first else self._end
        return end is None or perf_counter() + seconds <= end
