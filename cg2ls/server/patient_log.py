"""A log handler that never waits: who starts the server may leave its stderr unread, and a full pipe blocks."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from typing import TextIO

MAX_WAITING_LINES = 1000
"""Lines kept while nobody reads; later ones are left out."""

FLUSH_S = 1.0
"""Seconds that the process's end waits for lines to be read."""


class PatientHandler(logging.Handler):
    """Writes records to a stream in a thread of its own, which does not keep the process alive.

    Args:
        stream: to write to; one that is closed, broken or None loses the lines.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: queue.Queue[str] = queue.Queue(MAX_WAITING_LINES)
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record, or leaves it out where too many wait."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(line + "\n")

    def flush(self) -> None:
        """Waits until everything is written, for `FLUSH_S` at most."""
        waiting = self._waiting
        with waiting.all_tasks_done:
            waiting.all_tasks_done.wait_for(lambda: not waiting.unfinished_tasks, FLUSH_S)

    def _write_all(self) -> None:
        while True:
            line = self._waiting.get()
            with contextlib.suppress(OSError, ValueError):
                self._write(line)
            self._waiting.task_done()

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            file = self._stream.fileno()
        except (OSError, ValueError):  # no file behind it, as in tests
            self._stream.write(line)
            return
        left = line.encode("utf-8", errors="backslashreplace")
        while left:  # past the stream's own lock, which a blocked thread would hold when the process ends
            left = left[os.write(file, left) :]
