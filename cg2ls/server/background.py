"""Background work that no request waits for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from cg2ls.server.failures import Failures

T = TypeVar("T")


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
