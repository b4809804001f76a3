"""Exceptions of one answer: failures of the engine, and faults of parts that an answer can do without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from cg2ls.completion.types import Fault, SupportsReading
from cg2ls.engine.request import EngineError, Request, RequestError, Step

if TYPE_CHECKING:
    from cg2ls.completion.types import CompletionEngine, SupportsSampling, SupportsSearch
    from cg2ls.engine.beam_search import BeamOptions, Hypothesis
    from cg2ls.engine.scoring import Continuation

T = TypeVar("T")


class EngineFailedError(EngineError):
    """The engine raised an exception for a request that it should have been able to serve.

    Only the engine causes this error. Exceptions of its callbacks or of the code that reads the answer do not.

    Attributes:
        cause: the exception that the engine raised.
    """

    def __init__(self, cause: Exception) -> None:
        message = (
            str(cause) if isinstance(cause, EngineError) else f"The engine failed ({type(cause).__name__})."
        )
        super().__init__(message)
        self.cause = cause


@dataclass
class Faults:
    """Faults that happened during one call.

    Attributes:
        found: the faults in the order in which they happened.
    """

    found: list[Fault] = field(default_factory=list)

    def guard(self, hook: str, ask: Callable[[], T], fallback: T) -> T:
        """Call an optional part of an answer; note what it raises and return the fallback instead.

        Args:
            hook: name of the part.
            ask: calls the part.
            fallback: the result if the part raises.

        Raises:
            EngineFailedError: the engine failed; an answer needs it.
        """
        try:
            return ask()
        except EngineFailedError:
            raise
        except Exception as error:
            self.note(hook, error)
            return fallback

    def note(self, hook: str, error: Exception | None) -> None:
        """Add a fault, if there was an error."""
        if error is not None:
            self.found.append(Fault(hook, error))

    def take(self) -> list[Fault]:
        """Return the faults since the last call, and forget them."""
        found, self.found = self.found, []
        return found


def run_engine(
    engine: CompletionEngine, request: Request, stop: Callable[[], bool]
) -> Generator[Step, None, None]:
    """Yield the steps of one answer.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    try:
        yield from engine.complete(request, stop)
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error


def read_engine(engine: CompletionEngine, request: Request, stop: Callable[[], bool]) -> int:
    """Read a prompt ahead of its request, and return the number of tokens read; 0 if the engine cannot do that.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    if not isinstance(engine, SupportsReading):
        return 0
    try:
        return engine.read(request, stop)
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error


def sample_engine(
    engine: SupportsSampling,
    request: Request,
    count: int,
    stop: Callable[[], bool],
    is_complete: Callable[[Sequence[Step]], bool],
) -> list[list[Step]]:
    """Return the steps of several sampled answers.

    Args:
        engine: the open model.
        request: what to complete.
        count: number of answers.
        stop: returns whether the request was cancelled.
        is_complete: returns whether an answer needs no further step. If it raises, all answers end and the
            exception is raised here.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    calls = _Callbacks()
    answers = _ask(
        lambda: engine.candidates(request, count, calls.stop_too(stop), calls.guard(is_complete, True))
    )
    calls.raise_first()
    return answers


def search_engine(
    engine: SupportsSearch, request: Request, options: BeamOptions, stop: Callable[[], bool]
) -> list[Hypothesis]:
    """Return the hypotheses that beam search finds.

    Args:
        engine: the open model.
        request: what to complete.
        options: what to search for. If one of its callbacks raises, the search ends and the exception is raised here.
        stop: returns whether the request was cancelled.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    calls = _Callbacks()
    key_of = options.key_of
    guarded = replace(
        options,
        is_complete=calls.guard(options.is_complete, True),
        key_of=None if key_of is None else calls.guard(key_of, ""),
    )
    found = _ask(lambda: engine.search(request, guarded, calls.stop_too(stop)))
    calls.raise_first()
    return found


def score_engine(
    engine: SupportsSearch,
    prefix: Sequence[int],
    continuations: Sequence[Continuation],
    stop: Callable[[], bool],
    beside: Request,
) -> list[list[float]] | None:
    """Return the scores of given texts; see `cg2ls.engine.Engine.score`.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    return _ask(lambda: engine.score(prefix, continuations, stop, beside=beside))


def _ask(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error


class _Callbacks:
    """Callbacks of one call of the engine. Their exceptions must not look like failures of the engine."""

    def __init__(self) -> None:
        self._raised: list[Exception] = []

    def guard(self, callback: Callable[[Sequence[Step]], T], otherwise: T) -> Callable[[Sequence[Step]], T]:
        """Return the callback, which gives `otherwise` from its first exception on."""

        def call(steps: Sequence[Step]) -> T:
            try:
                return otherwise if self._raised else callback(steps)
            except Exception as error:
                self._raised.append(error)
                return otherwise

        return call

    def stop_too(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Return a stop callback that also stops after an exception."""
        return lambda: bool(self._raised) or stop()

    def raise_first(self) -> None:
        """Raise the first exception, if there was one."""
        if self._raised:
            raise self._raised[0]
