"""Which request runs: the newest of each document, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

Stop = Callable[[], bool]
"""Whether the work was cancelled or superseded."""


class WorkError(Exception):
    """Work raised something that is no error; that is its cause."""


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
        self._idle: threading.Event | None = None
        self._closed = False

    async def run(self, document: str, work: Callable[[Stop], T], *, wait: float = 0.0) -> T | None:
        """Runs `work` in the decoding thread.

        Args:
            document: what the request is about; its older request, if any, ends with None at once.
            work: the request; it asks the callback it gets, often, whether to stop.
            wait: seconds before it begins, in which it may be superseded.

        Returns:
            What `work` returned; None if a newer request came for the same document.

        Raises:
            asyncio.CancelledError: the caller was cancelled; `work` is told to stop.
            WorkError: `work` raised something that is no `Exception`, or means something else here.
            Exception: what `work` raised.
        """
        job = _Job(asyncio.get_running_loop().create_future())
        if older := self._newest.get(document):
            older.supersede()
        self._newest[document] = job
        self.interrupt()
        try:
            if wait > 0:
                await asyncio.wait([job.superseded], timeout=wait)
            return None if job.superseded.done() else await self._decode(job, work)
        finally:
            if self._newest.get(document) is job:
                del self._newest[document]

    async def _decode(self, job: _Job, work: Callable[[Stop], T]) -> T | None:
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

    def when_idle(
        self, work: Callable[[Stop], object], failed: Callable[[Exception], object] = lambda _: None
    ) -> None:
        """Runs `work` in the decoding thread if nothing else is under way, until anything is.

        Args:
            work: it asks the callback it gets, often, whether to stop.
            failed: gets what `work` raised, in the event loop's thread.
        """
        if not self._newest and not self._closed:
            self.interrupt()
            self._idle = threading.Event()
            done = asyncio.wrap_future(self._pool.submit(_unless_stopped, self._idle, work))
            done.add_done_callback(partial(_tell_error, failed))

    def interrupt(self) -> None:
        """Ends work that was begun because nothing else was under way."""
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    def supersede(self, document: str) -> None:
        """Ends the document's request, if one is under way, with None."""
        if job := self._newest.get(document):
            job.supersede()

    def close(self) -> None:
        """Tells all work to stop; nothing may be run afterwards."""
        self._closed = True
        self.interrupt()
        for job in self._newest.values():
            job.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _unless_stopped(stop: threading.Event, work: Callable[[Stop], T]) -> T | None:
    """Runs work, and turns what would end the event loop, or never reach it, into an error like others.

    asyncio lets SystemExit and KeyboardInterrupt out of the loop, takes CancelledError for the caller's own, and
    does not take StopIteration at all, so that a request would wait for ever.
    """
    if stop.is_set():
        return None
    try:
        return work(stop.is_set)
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, (StopIteration, CancelledError)):
            raise
        raise WorkError(f"{type(error).__name__} in the decoding thread") from error


async def _first(*futures: asyncio.Future[Any]) -> None:
    """Waits for any of the futures, without cancelling them if the wait is."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _tell_error(failed: Callable[[Exception], object], done: asyncio.Future[Any]) -> None:
    """Hands an error on, if there is one."""
    if not done.cancelled() and isinstance(error := done.exception(), Exception):
        failed(error)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Takes note of an error nobody waits for any more, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()
