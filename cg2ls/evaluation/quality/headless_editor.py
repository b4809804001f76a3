"""An editor without a window: it asks for a completion at a place, as the server does, and times the answer."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion import CompletionOptions, DocumentSession, Retrieval
from cg2ls.evaluation.latency.observed_engine import Cost, TimedEngine, WatchedEngine

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.completion.types import PriorOf, Reason
    from cg2ls.evaluation.quality.replay_contexts import ReplayContexts
    from cg2ls.evaluation.quality.replay_memory import ReplayMemory
    from cg2ls.evaluation.quality.sources import Source
    from cg2ls.models.folder.description import Infill

OPEN_DOCUMENTS = 8
"""Documents an editor keeps open; the one looked at longest ago is closed."""


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        text: to show; "" for nothing.
        replace_length: characters right of the cursor that it takes the place of.
        began: when it was asked for, on `perf_counter`'s clock, in seconds.
        line_ms: from the request to the answer.
        cost: what the engine did for it; None if it was not asked.
        reason: why it is what it is.
        changed_by: names of the rules that changed what the model wrote, or of the one that silenced it.
    """

    text: str
    replace_length: int
    began: float
    line_ms: float
    cost: Cost | None = None
    reason: Reason = "shown"
    changed_by: tuple[str, ...] = ()

    @property
    def first_ms(self) -> float:
        """From the request to the first token with something new in it, or to an answer without any."""
        if self.cost is None or self.cost.first_at is None:
            return self.line_ms
        return 1e3 * (self.cost.first_at - self.began)


class Editor:
    """Asks for completions in documents and keeps what belongs to each, until it is closed.

    Args:
        engine: the open model.
        options: how completion is set.
        context_length: tokens of the model's context to use; None for all.
        infill: how to ask the model to fill in, if other than its description says.
        memories: what the repositories say; None for a model that is alone.
        contexts: what their files say in front of the prompt; None for nothing.
    """

    def __init__(
        self,
        engine: TimedEngine,
        options: CompletionOptions | None = None,
        *,
        context_length: int | None = None,
        infill: Infill | None = None,
        memories: ReplayMemory | None = None,
        contexts: ReplayContexts | None = None,
    ) -> None:
        self._watched = WatchedEngine(engine, context_length=context_length, infill=infill)
        self._memories = memories
        self._contexts = contexts
        self._options = options or CompletionOptions()
        self._sessions: OrderedDict[str, DocumentSession] = OrderedDict()

    def ask(self, source: Source, text: str, offset: int) -> Answer:
        """The answer at a place of a document."""
        session = self._session(source)
        context_of = self._contexts.of(source) if self._contexts else None
        retrieval = Retrieval(self._prior_of(source), context_of)
        began = perf_counter()
        found = session.complete(text, offset, retrieval=retrieval)
        if found.faults:  # a measurement of less than was asked for is none
            raise found.faults[0].error
        line_ms = 1e3 * (perf_counter() - began)
        cost = self._watched.take_cost()
        replace_length = found.replace_end_offset - offset
        return Answer(found.text, replace_length, began, line_ms, cost, found.reason, self._changed_by(found))

    @staticmethod
    def _changed_by(found: Completion) -> tuple[str, ...]:
        return (found.suppression.name,) if found.suppression else found.rules

    def close(self, source: Source) -> None:
        """Forgets a document."""
        self._sessions.pop(source.name, None)

    def _prior_of(self, source: Source) -> PriorOf | None:
        memories = self._memories
        return (lambda text, offset: memories.prior(source, text, offset)) if memories else None

    def _session(self, source: Source) -> DocumentSession:
        session = self._sessions.pop(source.name, None)
        session = session or DocumentSession(self._watched, source.language, self._options)
        self._sessions[source.name] = session
        if len(self._sessions) > OPEN_DOCUMENTS:
            self._sessions.popitem(last=False)
        return session
