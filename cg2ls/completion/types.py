"""Types that several stages of completion share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cg2ls.engine.beam_search import BeamOptions, Hypothesis
    from cg2ls.engine.request import Prior, Request, Step, Timing
    from cg2ls.engine.scoring import Continuation
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import ModelDescription

Trigger = Literal["automatic", "invoked"]
"""Who asked for a completion: the editor while the user types, or the user."""

Reason = Literal["shown", "empty", "stopped", "silent", "unsure"]
"""Outcome of a request: text to show, nothing worth showing, cancelled, suppressed, or below the confidence
threshold."""

Source = Literal["model", "typed_through"]
"""Origin of a completion: the model, or an earlier suggestion that the user continues to type."""

PriorOf = Callable[[str, int], "Prior | None"]
"""Returns the prior for an answer that begins at an offset of a text; None for no prior."""

ContextOf = Callable[[str, int, int], str]
"""Returns text of other files for a cursor: takes the document's text, the offset and the maximum number of tokens."""


@dataclass(frozen=True)
class Retrieval:
    r"""Sources of information from other files, for one call.

    Both receive the document's text with `\n` line ends.

    Attributes:
        prior_of: returns what else is known about the answer; None to use the model alone.
        context_of: returns text to put before the document's own in the prompt. It is called only if the options
            reserve tokens for it.
    """

    prior_of: PriorOf | None = None
    context_of: ContextOf | None = None


NO_RETRIEVAL = Retrieval()


@dataclass(frozen=True)
class Fault:
    """Optional part of an answer that failed and was left out.

    Attributes:
        hook: name of the part, such as "prior".
        error: the exception that it raised.
    """

    hook: str
    error: Exception


class CompletionEngine(Protocol):
    """The part of `cg2ls.engine.Engine` that completion uses."""

    @property
    def model(self) -> ModelDescription:
        """Description of the open model."""

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Tokenizer of the open model."""

    @property
    def context_length(self) -> int:
        """Maximum number of tokens of prompt and answer together."""

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generate an answer to the prompt, one step at a time."""


@runtime_checkable
class SupportsSampling(Protocol):
    """An engine that generates several answers to one prompt."""

    def candidates(
        self,
        request: Request,
        count: int,
        stop: Callable[[], bool],
        is_complete: Callable[[Sequence[Step]], bool],
    ) -> list[list[Step]]:
        """Sample answers; see `cg2ls.engine.Engine.candidates`."""


@runtime_checkable
class SupportsSearch(CompletionEngine, Protocol):
    """An engine that finds several hypotheses and scores given texts."""

    def search(self, request: Request, options: BeamOptions, stop: Callable[[], bool]) -> list[Hypothesis]:
        """Search for the likeliest answers; see `cg2ls.engine.Engine.search`."""

    def score(
        self,
        prefix: Sequence[int],
        continuations: Sequence[Continuation],
        stop: Callable[[], bool],
        *,
        beside: Request,
    ) -> list[list[float]] | None:
        """Score texts after a common prefix; see `cg2ls.engine.Engine.score`."""


@runtime_checkable
class SupportsTiming(Protocol):
    """An engine that reports how its last answer ended."""

    @property
    def last(self) -> Timing:
        """Times and costs of the last request."""


@runtime_checkable
class SupportsReading(Protocol):
    """An engine that reads a prompt before its answer is requested."""

    def read(self, request: Request, stop: Callable[[], bool]) -> int:
        """Read the prompt; see `cg2ls.engine.Engine.read`."""
