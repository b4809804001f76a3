"""What completion needs of an engine, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cg2ls.completion.faults import Fault
    from cg2ls.completion.trigger.suppression import Suppression
    from cg2ls.engine.request import Request, Step, Timing
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import ModelDescription

Trigger = Literal["automatic", "invoked"]
"""Whether the editor asked while the user was typing, or the user did."""

Reason = Literal["shown", "empty", "stopped", "silent", "unsure"]
"""Why a completion is what it is: text to show, nothing worth showing, cancelled on the way, not asked for, or
nothing the model is sure enough of."""

Source = Literal["model", "typed_through"]
"""Where a completion came from: the model ran, or it is the rest of an earlier one."""


class CompletionEngine(Protocol):
    """The part of `cg2ls.engine.Engine` that completion uses."""

    @property
    def model(self) -> ModelDescription:
        """What the open model is."""

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Its tokenizer."""

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generates an answer to the prompt, one step at a time."""


@runtime_checkable
class Sampling(Protocol):
    """An engine that gives several answers to one prompt."""

    def candidates(
        self,
        request: Request,
        count: int,
        stop: Callable[[], bool],
        is_complete: Callable[[Sequence[Step]], bool],
    ) -> list[list[Step]]:
        """As `cg2ls.engine.Engine.candidates`."""


@runtime_checkable
class Timed(Protocol):
    """An engine that says how its last answer ended."""

    @property
    def last(self) -> Timing:
        """What the last request cost."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    r"""What to show at one cursor.

    Attributes:
        text: the text to insert, with `\n` line ends; empty where there is nothing to show.
        replace_end_offset: end of the document's text that `text` takes the place of, in code points; the
            cursor itself unless closers right of it are part of `text`.
        logprob: the model's log-probability, in nats, of the tokens that `text` came from.
        tokens: tokens generated, those that trimming cut off included.
        latency_ms: wall time from the call to the answer, in milliseconds.
        reason: why `text` is what it is.
        confidence: estimated probability of what the model wrote (`cg2ls.completion.confidence_gate`), 0 to 1.
        source: where it came from.
        suppression: why nothing was looked for, where `reason` is "silent".
        rules: names of the rules that changed the model's answer, in their order; the gate's, if it ended it, is last.
        others: further ones to choose from, where several were asked for.
        faults: what failed and was left out of it.
    """

    text: str
    replace_end_offset: int
    logprob: float
    tokens: int
    latency_ms: float
    reason: Reason
    confidence: float = 0.0
    source: Source = "model"
    suppression: Suppression | None = None
    rules: tuple[str, ...] = ()
    others: tuple[Completion, ...] = ()
    faults: tuple[Fault, ...] = ()
