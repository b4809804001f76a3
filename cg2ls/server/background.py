"""Background work that no request waits for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cg2ls.system import let_thread_give_way

if TYPE_CHECKING:
    from cg2ls.server.failures import Failures


T = TypeVar("T")

log = logging.getLogger(__name__)


class BackgroundTasks:
    """Coroutines that no request waits for; what they raise is logged.

    Args:
        failures: where errors are recorded.
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def __len__(self) -> int:
        return len(self._running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failures.left_out("", "work in the background", error)


async def run_in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run work in a thread that does not keep the process alive, so that leaving waits for no model."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(cast("T", result))
        else:
            done.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work(*arguments)
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done


NICE = 5
"""Niceness of the thread. On a busy machine, a higher one would make it keep Python's global lock for long while keys
wait."""


class LowPriorityThread:
    """A daemon thread that runs pieces of work one after another, at low priority."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._started = threading.Event()

    def do(self, work: Callable[[], None]) -> None:
        """Append work to the queue; its exceptions are logged."""
        if not self._started.is_set():
            self._started.set()
            threading.Thread(target=self._run, name="memory", daemon=True).start()
        self._waiting.put(work)

    def _run(self) -> None:
        let_thread_give_way(NICE)
        while True:
            work = self._waiting.get()
            try:
                work()
            except Exception:
                log.exception("Repository memory could not be updated")
