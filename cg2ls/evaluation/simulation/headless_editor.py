"""Editor without a window: it requests a completion at a place, as the server does, and times the answer."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from cg2ls.completion import CompletionEngine, CompletionOptions, DocumentSession, Retrieval
from cg2ls.completion.types import SupportsSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from cg2ls.completion import Completion, Trigger
    from cg2ls.completion.fitted_gate import HypothesisFeatures
    from cg2ls.completion.types import PriorOf, Reason
    from cg2ls.engine import Request, Step
    from cg2ls.engine.beam_search import BeamOptions, Hypothesis
    from cg2ls.engine.request import Timing
    from cg2ls.engine.scoring import Continuation
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayContexts, ReplayMemory
    from cg2ls.evaluation.simulation.sources import SourceFile
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import Infill, ModelDescription

MAX_OPEN_DOCUMENTS = 8
"""Documents an editor keeps open; the least recently used one is closed."""


@dataclass(frozen=True)
class TimedAnswer:
    """One answer and its time.

    Attributes:
        text: text to show; "" for nothing.
        replace_length: characters after the cursor that the text replaces.
        began: time of the request on `perf_counter`'s clock, in seconds.
        line_ms: time from the request to the answer.
        cost: work of the engine for it; None if it did not run.
        reason: outcome of the request, as in `Completion.reason`.
        changed_by: names of the rules that changed the model's text, or of the one that suppressed it.
        features: numbers about the model's answer; None if the model did not run, or nobody needs them.
        confidence: estimated probability that the answer is right.
    """

    text: str
    replace_length: int
    began: float
    line_ms: float
    cost: RequestCost | None = None
    reason: Reason = "shown"
    changed_by: tuple[str, ...] = ()
    features: HypothesisFeatures | None = None
    confidence: float = 0.0

    @property
    def first_ms(self) -> float:
        """Time from the request to the first token with new text, or to an answer without any."""
        if self.cost is None or self.cost.first_at is None:
            return self.line_ms
        return 1e3 * (self.cost.first_at - self.began)


class HeadlessEditor:
    """Requests completions in documents and keeps the session of each until it is closed.

    Args:
        engine: the open model.
        options: completion options.
        context_length: tokens of the model's context to use; None for all.
        infill: infill capabilities of the model, if other than in its description.
        memories: memory of the repositories; None for the model alone.
        contexts: text of other files before the prompt; None for nothing.
        trigger: who requests.
        describes: whether answers have features even if no fitted gate needs them.
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
        trigger: Trigger = "automatic",
        describes: bool = False,
    ) -> None:
        self._observed = observe(engine, context_length=context_length, infill=infill)
        self._memories = memories
        self._contexts = contexts
        self._trigger: Trigger = trigger
        self._describes = describes
        self._options = options or CompletionOptions()
        self._sessions: OrderedDict[str, DocumentSession] = OrderedDict()

    def ask(self, source: SourceFile, text: str, offset: int) -> TimedAnswer:
        """Return the answer at a place of a document."""
        session = self._session(source)
        context_of = self._contexts.of(source) if self._contexts else None
        retrieval = Retrieval(self._prior_of(source), context_of)
        began = perf_counter()
        found = session.complete(text, offset, self._trigger, retrieval=retrieval)
        if found.faults:  # an incomplete measurement must not count as a complete one
            raise found.faults[0].error
        line_ms = 1e3 * (perf_counter() - began)
        cost = self._observed.take_cost()
        replace_length = found.replace_end_offset - offset
        return TimedAnswer(
            text=found.text,
            replace_length=replace_length,
            began=began,
            line_ms=line_ms,
            cost=cost,
            reason=found.reason,
            changed_by=self._changed_by(found),
            features=found.features,
            confidence=found.confidence,
        )

    @staticmethod
    def _changed_by(found: Completion) -> tuple[str, ...]:
        return (found.suppression.name,) if found.suppression else found.rules

    def close(self, source: SourceFile) -> None:
        """Close a document."""
        self._sessions.pop(source.name, None)

    def _prior_of(self, source: SourceFile) -> PriorOf | None:
        memories = self._memories
        return (lambda text, offset: memories.prior(source, text, offset)) if memories else None

    def _session(self, source: SourceFile) -> DocumentSession:
        session = self._sessions.pop(source.name, None)
        session = session or DocumentSession(
            self._observed, source.language, self._options, describes=self._describes
        )
        self._sessions[source.name] = session
        if len(self._sessions) > MAX_OPEN_DOCUMENTS:
            self._sessions.popitem(last=False)
        return session


class TimedEngine(CompletionEngine, Protocol):
    """Engine that reports the cost of its last request."""

    @property
    def last(self) -> Timing:
        """Cost of the last request."""


@dataclass
class RequestCost:
    """Work of the engine for one completion.

    Attributes:
        prompt: token ids of the prompt.
        reread_tokens: prompt tokens that it had to read, at least the last one.
        generated: tokens generated.
        first_at: time of the first token with new text on `perf_counter`'s clock, in seconds; None without such a
            token. Tokens that only repeat the typed half of a word are not new text.
    """

    prompt: list[int] = field(default_factory=list)
    reread_tokens: int = 0
    generated: int = 0
    first_at: float | None = None


class ObservedEngine:
    """Engine that records the cost of its last request.

    Args:
        engine: the real engine.
        context_length: tokens of prompt and answer to use; None for all of the model's.
        infill: infill capabilities of the model, if other than in its description.

    Attributes:
        cost: cost of the last request; None after it was taken, or if the engine did not run.
    """

    def __init__(
        self, engine: TimedEngine, *, context_length: int | None = None, infill: Infill | None = None
    ) -> None:
        self._engine = engine
        self._model = replace(engine.model, infill=infill or engine.model.infill)
        self._context_length = min(context_length or engine.context_length, engine.context_length)
        self.cost: RequestCost | None = None

    @property
    def model(self) -> ModelDescription:
        """Description of the open model."""
        return self._model

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Tokenizer of the model."""
        return self._engine.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return self._context_length

    @property
    def last(self) -> Timing:
        """Cost of the engine's last work."""
        return self._engine.last

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generate an answer to the prompt, one step at a time."""
        return self._observe(request, stop)

    def take_cost(self) -> RequestCost | None:
        """Return the last request's cost, once."""
        cost, self.cost = self.cost, None
        return cost

    def _observe(self, request: Request, stop: Callable[[], bool]) -> Generator[Step, None, None]:
        cost = self.cost = RequestCost(list(request.prompt))
        generated_bytes = 0
        try:
            with closing(_steps(self._engine, request, stop)) as steps:
                for step in steps:
                    cost.generated += 1
                    generated_bytes += len(step.data)
                    if cost.first_at is None and generated_bytes > len(request.forced):
                        cost.first_at = perf_counter()
                    yield step
        finally:
            cost.reread_tokens = self._engine.last.prompt_tokens - self._engine.last.reused_tokens


class ObservedSearchEngine(ObservedEngine):
    """Engine that also compares several lines, and records the cost of its last request."""

    def __init__(
        self, engine: TimedSearchEngine, *, context_length: int | None = None, infill: Infill | None = None
    ) -> None:
        super().__init__(engine, context_length=context_length, infill=infill)
        self._search_engine = engine

    def search(self, request: Request, options: BeamOptions, stop: Callable[[], bool]) -> list[Hypothesis]:
        """Search for the likeliest answers; the tokens count as generated."""
        found = self._search_engine.search(request, options, stop)
        if self.cost is not None:
            self.cost.generated += self._search_engine.last.generated
        return found

    def score(
        self,
        prefix: Sequence[int],
        continuations: Sequence[Continuation],
        stop: Callable[[], bool],
        *,
        beside: Request,
    ) -> list[list[float]] | None:
        """Score texts after a common prefix."""
        return self._search_engine.score(prefix, continuations, stop, beside=beside)


class TimedSearchEngine(TimedEngine, SupportsSearch, Protocol):
    """Engine that compares several lines and reports the cost of its last request."""


def observe(
    engine: TimedEngine, *, context_length: int | None = None, infill: Infill | None = None
) -> ObservedEngine:
    """Return an engine that records its costs and has the methods of the given one; see `ObservedEngine`."""
    if isinstance(engine, SupportsSearch):
        return ObservedSearchEngine(engine, context_length=context_length, infill=infill)
    return ObservedEngine(engine, context_length=context_length, infill=infill)


def _steps(engine: TimedEngine, request: Request, stop: Callable[[], bool]) -> Generator[Step, None, None]:
    yield from engine.complete(request, stop)
