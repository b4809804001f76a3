"""Prepare the completion after the one that is shown, while there is no request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion import Retrieval
from cg2ls.completion.faults import EngineFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion import Completion, DocumentSession
    from cg2ls.completion.scheduler import Scheduler
    from cg2ls.server.failures import Failures
    from cg2ls.server.models import Model, ModelLoader

IDLE_SECONDS = 0.15
"""Seconds without a request after which the next completion is computed ahead: about the gap between two keys."""


@dataclass(frozen=True, kw_only=True)
class SpeculatedAnswer:
    """A completion that a client got.

    Attributes:
        uri: of the document.
        text: the document that was completed.
        offset: of the cursor, in code points.
        completion: what was found there.
        count: number of completions to choose from that the user would ask for by hand.
        retrieval: sources of information from other files.
    """

    uri: str
    text: str
    offset: int
    completion: Completion
    count: int = 1
    retrieval: Retrieval


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """Computes ahead for editors and HTTP clients.

    Attributes:
        scheduler: runs it in the decoding thread until there is a request.
        models: opens an engine again that failed.
        failures: where errors are recorded.
    """

    scheduler: Scheduler
    models: ModelLoader
    failures: Failures

    def begin_later(self, model: Model, session: DocumentSession, shown: SpeculatedAnswer) -> None:
        """Compute what comes after a completion, and what else to choose, after a time without requests.

        Args:
            model: what the session uses.
            session: the document's session, which gets what is found.
            shown: what the client got.
        """
        if not shown.completion.text or not self.failures.may_speculate(shown.uri):
            return

        def work(stop: Callable[[], bool]) -> None:
            for fault in session.speculate(
                shown.text,
                shown.offset,
                shown.completion,
                stop,
                count=shown.count,
                retrieval=shown.retrieval,
            ):
                self.failures.left_out(shown.uri, fault.hook, fault.error)

        def failed(error: Exception) -> None:
            if isinstance(error, EngineFailedError):
                self.models.engine_failed(model, session.engine, shown.uri, error.cause)
            else:
                self.failures.speculation_lost(shown.uri, error)

        self.scheduler.run_after_pause(IDLE_SECONDS, work, failed)
