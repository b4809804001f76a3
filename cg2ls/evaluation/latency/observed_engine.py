"""The engine as completion sees it, with notes of what each request cost."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from cg2ls.completion import CompletionEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cg2ls.engine import Request, Step
    from cg2ls.engine.request import Timing
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import Infill, ModelDescription


class TimedEngine(CompletionEngine, Protocol):
    """An engine that tells what its last request cost."""

    @property
    def last(self) -> Timing:
        """What the last request cost."""


@dataclass
class Cost:
    """What the engine did for one completion.

    Attributes:
        prompt: token ids it was given.
        reread_tokens: how many of them it had to read, which is at least the last one.
        generated: tokens generated.
        first_at: when it had the first token with something new in it, on `perf_counter`'s clock, in
            seconds; None if there was none. Tokens that only repeat the typed half of a word say nothing new.
    """

    prompt: list[int] = field(default_factory=list)
    reread_tokens: int = 0
    generated: int = 0
    first_at: float | None = None


class WatchedEngine:
    """An engine that notes what its last request cost.

    Args:
        engine: the real one.
        context_length: tokens of prompt and answer to use; None for all that the model has.
        infill: how to ask it to fill in, if other than its description says.

    Attributes:
        cost: of the last request; None once it was taken, or where the engine was not asked.
    """

    def __init__(
        self, engine: TimedEngine, *, context_length: int | None = None, infill: Infill | None = None
    ) -> None:
        self._engine = engine
        self._model = replace(engine.model, infill=infill or engine.model.infill)
        self._context_length = min(context_length or engine.context_length, engine.context_length)
        self.cost: Cost | None = None

    @property
    def model(self) -> ModelDescription:
        """What the open model is."""
        return self._model

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Its tokenizer."""
        return self._engine.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return self._context_length

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generates an answer to the prompt, one step at a time."""
        return self._watched(request, stop)

    def take_cost(self) -> Cost | None:
        """The last request's cost, once."""
        cost, self.cost = self.cost, None
        return cost

    def _watched(self, request: Request, stop: Callable[[], bool]) -> Generator[Step, None, None]:
        cost = self.cost = Cost(list(request.prompt))
        spoken = 0
        try:
            with closing(_steps(self._engine, request, stop)) as steps:
                for step in steps:
                    cost.generated += 1
                    spoken += len(step.data)
                    if cost.first_at is None and spoken > len(request.forced):
                        cost.first_at = perf_counter()
                    yield step
        finally:
            cost.reread_tokens = self._engine.last.prompt_tokens - self._engine.last.reused_tokens


def _steps(engine: TimedEngine, request: Request, stop: Callable[[], bool]) -> Generator[Step, None, None]:
    yield from engine.complete(request, stop)
