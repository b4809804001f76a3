"""Exceptions of one answer: failures of the engine, and faults of parts that an answer can do without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cg2ls.completion.types import Fault, SupportsReading
from cg2ls.engine.request import EngineError, Request, RequestError, Step

if TYPE_CHECKING:
    from cg2ls.completion.types import CompletionEngine, SupportsSampling

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
    raised: list[Exception] = []

    # An exception of `is_complete` must not look like a failure of the engine that calls it.
    def is_answer_complete(steps: Sequence[Step]) -> bool:
        try:
            return bool(raised) or is_complete(steps)
        except Exception as error:
            raised.append(error)
            return True

    try:
        answers = engine.candidates(request, count, lambda: bool(raised) or stop(), is_answer_complete)
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error
    if raised:
        raise raised[0]
    return answers
