"""Lifetime of an open model: one request at a time, unloading when idle, reloading, fallback to the CPU."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from cg2ls.engine.request import EngineError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.models.folder.description import ModelDescription

Answer = TypeVar("Answer")


class ModelManager:
    """Owner of the open model: it loads, unloads and replaces it.

    Args:
        open_runner: opens the model on a provider (`auto` or a name); raises Cg2Error.
        open_draft: opens the smaller model that drafts, if there is one.
        provider: provider to run on, `auto` or a name.
        idle_s: seconds without a request after which the memory is freed; None for never.
        on_event: receives a sentence about an event for the user.

    Attributes:
        runner: the open model; None while it is unloaded.
        draft: the smaller one; None where there is none, and while it is unloaded.
        costs: costs of the model's calls, kept when it is unloaded.
        closed: whether the model was closed for good.
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
        """Free the model for good; a running request ends at its next step."""
        self.closed = True
        self._idle.cancel()
        if self._lock.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._lock.release()

    def unload(self) -> None:
        """Free the model's memory until the next request, after the running one if there is one."""
        with self._lock:
            if self.runner is not None:
                self._free()

    @contextmanager
    def exclusive(self) -> Iterator[ModelRunner]:
        """Give the open model to one request at a time; load it again if it was unloaded.

        Raises:
            EngineError: the model was closed, or this thread uses it already.
            Cg2Error: the model cannot be loaded again.
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

    def attempt(self, runner: ModelRunner, answer: Callable[[ModelRunner], Answer]) -> Answer:
        """Return the answer of a runner, or that of the CPU if its provider fails.

        Raises:
            RunError: the model fails on the CPU.
        """
        while True:
            try:
                return answer(runner)
            except RunError as error:
                runner = self.fall_back(error)

    def fall_back(self, failed: RunError) -> ModelRunner:
        """Open the model on the CPU after its provider failed during a request.

        Raises:
            RunError: the model already runs on the CPU.
        """
        if self.provider == "cpu" or self._fallback_provider:
            raise failed
        lost = self.provider
        self._free()
        self._fallback_provider = "cpu"
        runner = self._reopened("cpu")
        self.provider_reason = f"{lost} failed while it ran: {failed}"
        self._on_event(f"{lost} failed; {self.model.name} continues on the CPU. {failed}")
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
    """Return freed memory to the system, which glibc would otherwise keep."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class IdleTimer:
    """Timer that calls back after some seconds without a restart.

    Args:
        seconds: time until the call; None for never.
        on_idle: called in a separate thread.
    """

    def __init__(self, seconds: float | None, on_idle: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_idle = on_idle
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Start the timer, or start it again."""
        self.cancel()
        if self._seconds is not None:
            self._timer = threading.Timer(self._seconds, self._on_idle)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
