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
        open_runner: opens the model on a provider (`auto` or a name); raises Cg2Error.
        open_draft: opens the smaller model that drafts, if there is one.
        provider: where it is to run.
        idle_s: seconds without a request after which its memory is freed; None for never.
        on_event: gets what a person may want to know.

    Attributes:
        runner: the open model; None while it is unloaded.
        draft: the smaller one; None where there is none, and while it is unloaded.
        costs: of the model's calls, kept when it is unloaded.
        closed: whether it is gone for good.
    """

    def __init__(
        self,
        open_runner: Callable[[str], ModelRunner],
        open_draft: Callable[[], ModelRunner | None],
        *,
        provider: str,
        idle_s: float | None,
        on_event: Callable[[str], None] | None,
    ) -> None:
        self._open_runner = open_runner
        self._open_draft = open_draft
        self._requested_provider = provider
        self._fallback_provider: str = ""
        self._on_event = on_event or (lambda _: None)
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._idle = IdleTimer(idle_s, self.unload)
        self.closed = False
        self.runner: ModelRunner | None = open_runner(provider)
        self.draft = open_draft()
        self.model: ModelDescription = self.runner.model
        self.costs: CallCosts = self.runner.costs
        self.provider = self.runner.opened.provider
        self.provider_reason = self.runner.opened.reason
        self.threads = self.runner.opened.threads
        self._idle.start()

    def close(self) -> None:
        """Frees the model for good; a request that is running ends at its next step."""
        self.closed = True
        self._idle.cancel()
        if self._lock.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._lock.release()

    def unload(self) -> None:
        """Frees the model's memory until the next request, after the running one if there is one."""
        with self._lock:
            if self.runner is not None:
                self._free()

    @contextmanager
    def exclusive(self) -> Iterator[ModelRunner]:
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
            self._idle.cancel()
            try:
                yield self.runner or self._reopened(self._fallback_provider or self._requested_provider)
            finally:
                self._owner = None
                if self.closed:
                    self._free()
                else:
                    self._idle.start()

    def fall_back(self, failed: RunError) -> ModelRunner:
        """The model on the processor, in place of a provider that failed in the middle of a request.

        Raises:
            RunError: it ran on the processor already.
        """
        if self.provider == "cpu" or self._fallback_provider:
            raise failed
        lost = self.provider
        self._free()
        self._fallback_provider = "cpu"
        runner = self._reopened("cpu")
        self.provider_reason = f"{lost} failed while it ran: {failed}"
        self._on_event(f"{self.model.name} goes on on the processor, since {lost} failed: {failed}")
        return runner

    def _reopened(self, provider: str) -> ModelRunner:
        runner = self.runner = self._open_runner(provider)
        self.draft = self._open_draft()
        self.provider, self.provider_reason = runner.opened.provider, runner.opened.reason
        return runner

    def _free(self) -> None:
        self.runner = self.draft = None
        release_freed_memory()


def release_freed_memory() -> None:
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

    def start(self) -> None:
        """Begins to count anew."""
        self.cancel()
        if self._seconds is not None:
            self._timer = threading.Timer(self._seconds, self._act)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Stops counting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
