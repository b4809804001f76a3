"""A thread for work of low priority."""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cg2ls.system import let_thread_give_way

if TYPE_CHECKING:
    from collections.abc import Callable


log = logging.getLogger(__name__)

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
