"""Whose exception it is: the engine's own, or that of something an answer can do without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cg2ls.engine.request import EngineError, Request, RequestError, Step

if TYPE_CHECKING:
    from cg2ls.completion.types import CompletionEngine, Sampling

T = TypeVar("T")


class EngineFailedError(EngineError):
    """The engine raised something while it answered a request that it should have been able to serve.

    Nothing but the engine raises this: neither what it is asked with nor what reads its answer.

    Attributes:
        cause: what it raised.
    """

    def __init__(self, cause: Exception) -> None:
        said = (
            str(cause) if isinstance(cause, EngineError) else f"The engine failed ({type(cause).__name__})."
        )
        super().__init__(said)
        self.cause = cause


@dataclass(frozen=True)
class Fault:
    """Something that failed and was left out of one answer.

    Attributes:
        hook: what it was, such as "prior".
        error: what it raised.
    """

    hook: str
    error: Exception


@dataclass
class Faults:
    """What failed while one answer was made.

    Attributes:
        found: in the order in which it happened.
    """

    found: list[Fault] = field(default_factory=list)

    def without(self, hook: str, ask: Callable[[], T], otherwise: T) -> T:
        """Asks something that an answer can do without.

        Args:
            hook: its name.
            ask: what may raise.
            otherwise: what holds then.
        """
        try:
            return ask()
        except EngineFailedError:
            raise
        except Exception as error:
            self.note(hook, error)
            return otherwise

    def note(self, hook: str, error: Exception | None) -> None:
        """Keeps what something raised, if it did."""
        if error is not None:
            self.found.append(Fault(hook, error))

    def take(self) -> list[Fault]:
        """What was found since the last time."""
        found, self.found = self.found, []
        return found


def steps_of(
    engine: CompletionEngine, request: Request, stop: Callable[[], bool]
) -> Generator[Step, None, None]:
    """The steps of an answer.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: it failed.
    """
    try:
        yield from engine.complete(request, stop)
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error


def answers_of(
    engine: Sampling,
    request: Request,
    count: int,
    stop: Callable[[], bool],
    is_complete: Callable[[Sequence[Step]], bool],
) -> list[list[Step]]:
    """The steps of several answers.

    Args:
        engine: the open model.
        request: what to complete.
        count: how many answers.
        stop: whether the request was cancelled.
        is_complete: whether an answer needs no further step; what it raises ends all answers and is raised here.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: it failed.
    """
    raised: list[Exception] = []

    def ends(steps: Sequence[Step]) -> bool:
        try:
            return bool(raised) or is_complete(steps)
        except Exception as error:
            raised.append(error)
            return True

    try:
        answers = engine.candidates(request, count, lambda: bool(raised) or stop(), ends)
    except RequestError:
        raise
    except Exception as error:
        raise EngineFailedError(error) from error
    if raised:
        raise raised[0]
    return answers
