"""Run one request at a time, and only the newest of each document."""

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
"""Returns whether the work was cancelled or superseded."""


class WorkError(Exception):
    """Work raised an exception that is not an error, or that asyncio would misunderstand; see its cause."""


@dataclass(eq=False)
class _RunningRequest:
    """A request from its start to its end."""

    superseded: asyncio.Future[None]
    stop: threading.Event = field(default_factory=threading.Event)

    def supersede(self) -> None:
        self.stop.set()
        if not self.superseded.done():
            self.superseded.set_result(None)


class Scheduler:
    """A thread for decoding; a newer request of a document replaces its older one.

    All methods must be called from the event loop's thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
        self._newest: dict[str, _RunningRequest] = {}
        self._idle: threading.Event | None = None
        self._idle_work: asyncio.Future[Any] | None = None
        self._after_pause: asyncio.TimerHandle | None = None
        self._closed = False

    async def run(
        self,
        document: str,
        work: Callable[[Stop], T],
        *,
        wait: float = 0.0,
        prepare: Callable[[Stop], object] | None = None,
    ) -> T | None:
        """Run a request in the decoding thread.

        Args:
            document: document of the request; its older request, if any, ends with None at once.
            work: the request; it must often call the function that it receives, and stop if that returns True.
            wait: seconds before it begins; it may be superseded meanwhile.
            prepare: runs in the decoding thread during the wait, and stops as `work` does. It must be of use whether
                or not `work` follows. Its errors are dropped, since `work` meets them again.

        Returns:
            The result of `work`; None if a newer request came for the same document.

        Raises:
            asyncio.CancelledError: the caller was cancelled; `work` stops soon.
            WorkError: `work` raised something that is not an `Exception`, or that asyncio would misunderstand.
            Exception: `work` raised it.
        """
        request = _RunningRequest(asyncio.get_running_loop().create_future())
        if older := self._newest.get(document):
            older.supersede()
        self._newest[document] = request
        self.interrupt()
        self._forget_pause()
        try:
            if wait > 0:
                if prepare is not None:
                    preparing = self._pool.submit(_run_unless_stopped, request.stop, prepare)
                    asyncio.wrap_future(preparing).add_done_callback(_forget)
                await asyncio.wait([request.superseded], timeout=wait)
            return None if request.superseded.done() else await self._decode(request, work)
        except asyncio.CancelledError:
            request.stop.set()
            raise
        finally:
            if self._newest.get(document) is request:
                del self._newest[document]

    async def _decode(self, request: _RunningRequest, work: Callable[[Stop], T]) -> T | None:
        answer = asyncio.wrap_future(self._pool.submit(_run_unless_stopped, request.stop, work))
        try:
            await _wait_for_first(answer, request.superseded)
            if request.superseded.done():
                answer.add_done_callback(_forget)
                return None
            return answer.result()
        except asyncio.CancelledError:
            request.stop.set()
            answer.add_done_callback(_forget)
            raise

    def run_when_idle(
        self, work: Callable[[Stop], object], on_error: Callable[[Exception], object] = lambda _: None
    ) -> asyncio.Future[Any] | None:
        """Run work in the decoding thread if there is no request, until there is one.

        Args:
            work: it must often call the function that it receives, and stop if that returns True.
            on_error: called with the exception of `work`, in the event loop's thread.

        Returns:
            A future that is done when the work has ended; None if there is a request.
        """
        if self._newest or self._closed:
            return None
        self.interrupt()
        self._idle = threading.Event()
        done = asyncio.wrap_future(self._pool.submit(_run_unless_stopped, self._idle, work))
        self._idle_work = done
        done.add_done_callback(partial(_report_error, on_error))
        return done

    def run_after_pause(
        self,
        seconds: float,
        work: Callable[[Stop], object],
        on_error: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        """Run work as `run_when_idle` does, if no request comes for some seconds; only the newest such work runs.

        Args:
            seconds: length of the pause.
            work: see `run_when_idle`.
            on_error: see `run_when_idle`.
        """
        self._forget_pause()
        self._after_pause = asyncio.get_running_loop().call_later(
            seconds, lambda: self.run_when_idle(work, on_error)
        )

    def _forget_pause(self) -> None:
        if self._after_pause is not None:
            self._after_pause.cancel()
            self._after_pause = None

    @property
    def is_busy(self) -> bool:
        """Whether there is a request, or work that runs because there is none."""
        return bool(self._newest) or (self._idle_work is not None and not self._idle_work.done())

    def interrupt(self) -> None:
        """Stop the work that runs because there was no request."""
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    def supersede(self, document: str) -> None:
        """End the document's running request, if any, with None."""
        if request := self._newest.get(document):
            request.supersede()

    def close(self) -> None:
        """Stop all work; nothing may be run afterwards."""
        self._closed = True
        self._forget_pause()
        self.interrupt()
        for request in self._newest.values():
            request.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _run_unless_stopped(stop: threading.Event, work: Callable[[Stop], T]) -> T | None:
    """Run work, and raise `WorkError` for exceptions that asyncio does not hand on as errors.

    asyncio lets SystemExit and KeyboardInterrupt end the loop, and takes CancelledError for the caller's own. It
    rejects StopIteration, so the request would wait forever.
    """
    if stop.is_set():
        return None
    try:
        return work(stop.is_set)
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, (StopIteration, CancelledError)):
            raise
        raise WorkError(f"{type(error).__name__} in the decoding thread") from error


async def _wait_for_first(*futures: asyncio.Future[Any]) -> None:
    """Wait for any of the futures; if the wait is cancelled, the futures are not."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _report_error(on_error: Callable[[Exception], object], done: asyncio.Future[Any]) -> None:
    """Call `on_error` with the error of the work, if there is one."""
    if not done.cancelled() and isinstance(error := done.exception(), Exception):
        on_error(error)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Retrieve an error for which no caller waits any more, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()
