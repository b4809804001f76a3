"""Keeps one model open for one request at a time: unloads it when idle, reloads it, replaces a dead provider."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import RunError
    from cg2ls.models.folder.description import ModelDescription


class ModelManager:
    """The open model, whatever happens to it.

    Args:
        open_runtime: opens the model on a provider (`auto` or a name); raises Cg2Error.
        open_draft: opens the smaller model that drafts, if there is one.
        provider: where it is to run.
        idle_s: seconds without a request after which its memory is freed; None for never.
        tell: gets what a person may want to know.

    Attributes:
        runtime: the open model; None while it is unloaded.
        draft: the smaller one; None where there is none, and while it is unloaded.
        costs: of the model's calls, kept when it is unloaded.
        closed: whether it is gone for good.
    """

    def __init__(
        self,
        open_runtime: Callable[[str], ModelRunner],
        open_draft: Callable[[], ModelRunner | None],
        *,
        provider: str,
        idle_s: float | None,
        tell: Callable[[str], None] | None,
    ) -> None:
        self._open_runtime = open_runtime
        self._open_draft = open_draft
        self._wanted = provider
        self._fallen: str = ""
        self._tell = tell or (lambda _: None)
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._idle = IdleTimer(idle_s, self.unload)
        self.closed = False
        self.runtime: ModelRunner | None = open_runtime(provider)
        self.draft = open_draft()
        self.model: ModelDescription = self.runtime.model
        self.costs: CallCosts = self.runtime.costs
        self.provider = self.runtime.opened.provider
        self.provider_reason = self.runtime.opened.reason
        self.threads = self.runtime.opened.threads
        self._idle.rest()

    def close(self) -> None:
        """Frees the model for good; a request that is running ends at its next step."""
        self.closed = True
        self._idle.wake()
        if self._lock.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._lock.release()

    def unload(self) -> None:
        """Frees the model's memory until the next request, after the running one if there is one."""
        with self._lock:
            if self.runtime is not None:
                self._free()

    @contextmanager
    def alone(self) -> Iterator[ModelRunner]:
        """The open model, for one request at a time; opened again if it was unloaded.

        Raises:
            EngineError: it was closed, or this thread has it already.
            Cg2Error: it cannot be opened again.
        """
        thread = threading.get_ident()
        if self._owner == thread:
            raise EngineError("The engine is generating in this thread; end or close that iterator first.")
        with self._lock:
            if self.closed:
                raise EngineError("The engine was closed; open it again.")
            self._owner = thread
            self._idle.wake()
            try:
                yield self.runtime or self._reopened(self._fallen or self._wanted)
            finally:
                self._owner = None
                if self.closed:
                    self._free()
                else:
                    self._idle.rest()

    def fall_back(self, failed: RunError) -> ModelRunner:
        """The model on the processor, in place of a provider that failed in the middle of a request.

        Raises:
            RunError: it ran on the processor already.
        """
        if self.provider == "cpu" or self._fallen:
            raise failed
        lost = self.provider
        self._free()
        self._fallen = "cpu"
        runtime = self._reopened("cpu")
        self.provider_reason = f"{lost} failed while it ran: {failed}"
        self._tell(f"{self.model.name} goes on on the processor, since {lost} failed: {failed}")
        return runtime

    def _reopened(self, provider: str) -> ModelRunner:
        runtime = self.runtime = self._open_runtime(provider)
        self.draft = self._open_draft()
        self.provider, self.provider_reason = runtime.opened.provider, runtime.opened.reason
        return runtime

    def _free(self) -> None:
        self.runtime = self.draft = None
        give_back()


def give_back() -> None:
    """Returns freed memory to the system, which glibc would otherwise keep for later."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


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
