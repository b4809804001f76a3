"""One call of a document's session: where, for whom, and how much time is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.faults import Faults
from cg2ls.completion.types import NO_RETRIEVAL
from cg2ls.engine.request import never

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.types import Retrieval, Trigger
    from cg2ls.engine.request import Request

MIN_REMAINING_MS = 1.0
"""Engines accept no time limit of 0."""


@dataclass
class Call:
    """One call of a session.

    Attributes:
        cursor: the place to complete at.
        offset: offset of the cursor in the document, with the document's own line ends.
        trigger: who asked.
        stop: returns whether the request was cancelled.
        count: number of completions to choose from.
        retrieval: sources of information from other files.
        began: start of the call, on the clock of `perf_counter`.
        faults: optional parts that failed.
        on_lines: called with the final lines of an answer that goes on; None if nobody waits for them.
    """

    cursor: Cursor
    offset: int
    trigger: Trigger = "automatic"
    stop: Callable[[], bool] = never
    count: int = 1
    retrieval: Retrieval = NO_RETRIEVAL
    began: float = field(default_factory=lambda: perf_counter())
    faults: Faults = field(default_factory=Faults)
    on_lines: Callable[[str], object] | None = None

    def limit_time(self, request: Request, max_ms: float | None) -> Request:
        """Return the request with the time that remains; the engine always makes its first call.

        Args:
            request: what to complete.
            max_ms: maximum time of the call in milliseconds; None for no limit.
        """
        if max_ms is None:
            return replace(request, time_limit_ms=None)
        elapsed_ms = (perf_counter() - self.began) * 1000
        return replace(request, time_limit_ms=max(MIN_REMAINING_MS, max_ms - elapsed_ms))
