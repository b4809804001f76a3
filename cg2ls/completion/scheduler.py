"""Which request runs: the newest of each document, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

Stop = Callable[[], bool]
"""Whether the work was cancelled or superseded."""


@dataclass(eq=False)
class _Job:
    """One request under way."""

    superseded: asyncio.Future[None]
    stop: threading.Event = field(default_factory=threading.Event)

    def supersede(self) -> None:
        self.stop.set()
        if not self.superseded.done():
            self.superseded.set_result(None)


class Scheduler:
    """Runs work in one thread; a newer request of a document takes the place of its older one.

    All methods are called from the event loop's thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
        self._newest: dict[str, _Job] = {}

    async def run(self, document: str, work: Callable[[Stop], T]) -> T | None:
        """Runs `work` in the decoding thread.

        Args:
            document: what the request is about; its older request, if any, ends with None at once.
            work: the request; it asks the callback it gets, often, whether to stop.

        Returns:
            What `work` returned; None if a newer request came for the same document.

        Raises:
            asyncio.CancelledError: the caller was cancelled; `work` is told to stop.
        """
        job = _Job(asyncio.get_running_loop().create_future())
        if older := self._newest.get(document):
            older.supersede()
        self._newest[document] = job
        answer = asyncio.wrap_future(self._pool.submit(_unless_stopped, job.stop, work))
        try:
            await _first(answer, job.superseded)
            if job.superseded.done():
                answer.add_done_callback(_forget)
                return None
            return answer.result()
        except asyncio.CancelledError:
            job.stop.set()
            answer.add_done_callback(_forget)
            raise
        finally:
            if self._newest.get(document) is job:
                del self._newest[document]

    def supersede(self, document: str) -> None:
        """Ends the document's request, if one is under way, with None."""
        if job := self._newest.get(document):
            job.supersede()

    def close(self) -> None:
        """Tells all work to stop; nothing may be run afterwards."""
        for job in self._newest.values():
            job.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _unless_stopped(stop: threading.Event, work: Callable[[Stop], T]) -> T | None:
    return None if stop.is_set() else work(stop.is_set)


async def _first(*futures: asyncio.Future[Any]) -> None:
    """Waits for any of the futures, without cancelling them if the wait is."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Takes note of an error nobody waits for any more, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()
