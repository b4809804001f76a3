"""Doing something once nothing was asked for a while."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class IdleTimer:
    """Calls back when `rest` was called and neither `wake` nor `rest` for some seconds.

    Args:
        seconds: how long; None for never.
        act: what to do, in a thread of its own.
    """

    def __init__(self, seconds: float | None, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._timer: threading.Timer | None = None

    def rest(self) -> None:
        """Begins to count anew."""
        self.wake()
        if self._seconds is not None:
            self._timer = threading.Timer(self._seconds, self._act)
            self._timer.daemon = True
            self._timer.start()

    def wake(self) -> None:
        """Stops counting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
