"""One call of a document's session, its result, and how each outcome becomes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.faults import Faults
from cg2ls.completion.types import NO_RETRIEVAL
from cg2ls.engine.request import never

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion.choose import Decision
    from cg2ls.completion.fitted_gate import HypothesisFeatures
    from cg2ls.completion.generate import Alternative
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.reuse import RemainingSuggestion
    from cg2ls.completion.trigger import Suppression
    from cg2ls.completion.types import Fault, Reason, Retrieval, Source, Trigger
    from cg2ls.engine.request import Request


MIN_REMAINING_MS = 1.0
"""Engines accept no time limit of 0."""


@dataclass
class Call:
    """One call of a session.

    Attributes:
        cursor: the place to complete at.
        offset: offset of the cursor in the document, with the document's own line ends.
        trigger: who asked.
        stop: returns whether the request was cancelled.
        count: number of completions to choose from.
        retrieval: sources of information from other files.
        began: start of the call, on the clock of `perf_counter`.
        faults: optional parts that failed.
        on_lines: called with the final lines of an answer that goes on; None if nobody waits for them.
    """

    cursor: Cursor
    offset: int
    trigger: Trigger = "automatic"
    stop: Callable[[], bool] = never
    count: int = 1
    retrieval: Retrieval = NO_RETRIEVAL
    began: float = field(default_factory=lambda: perf_counter())
    faults: Faults = field(default_factory=Faults)
    on_lines: Callable[[str], object] | None = None

    @property
    def elapsed_ms(self) -> float:
        """Time since the call began, in milliseconds."""
        return (perf_counter() - self.began) * 1000

    def limit_time(self, request: Request, max_ms: float | None) -> Request:
        """Return the request with the time that remains; the engine always makes its first call.

        Args:
            request: what to complete.
            max_ms: maximum time of the call in milliseconds; None for no limit.
        """
        if max_ms is None:
            return replace(request, time_limit_ms=None)
        return replace(request, time_limit_ms=max(MIN_REMAINING_MS, max_ms - self.elapsed_ms))


@dataclass(frozen=True, kw_only=True)
class Completion:
    r"""Text to show at a cursor.

    Attributes:
        text: the text to insert, with `\n` line ends; empty if there is nothing to show.
        replace_end_offset: end of the document's text that `text` replaces, in code points. It is the cursor
            unless `text` contains closers that follow the cursor.
        logprob: the model's log-probability of the tokens of `text`, in nats.
        tokens: number of generated tokens, including those that were cut off.
        latency_ms: time from the call to the answer, in milliseconds.
        reason: outcome of the request.
        confidence: estimated probability that the generated text is right (`confidence_gate`), 0 to 1.
        source: origin of the text.
        suppression: why the request was suppressed, if `reason` is "silent".
        rules: names of the rules that changed the model's answer, in order of application. The confidence gate
            comes last if it ended the answer.
        alternatives: further completions to choose from, if several were requested.
        faults: optional parts that failed and were left out.
        features: numbers about the model's answer, also if it is not shown; None if the model did not run, or neither
            a fitted gate nor the session's user needs them. Answers that the confidence gate ended have those of the
            tokens so far.
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
    alternatives: tuple[Completion, ...] = ()
    faults: tuple[Fault, ...] = ()
    features: HypothesisFeatures | None = None


def complete_generated(call: Call, decision: Decision, features: HypothesisFeatures | None) -> Completion:
    """Return the completion for an answer of the model.

    Args:
        call: what was asked.
        decision: the answer that may be shown.
        features: numbers about it; None if they were not computed.
    """
    reason: Reason
    processed = decision.processed
    if call.stop():
        reason = "stopped"
    elif processed.text:
        reason = "shown"
    else:
        reason = "empty" if decision.is_sure else "unsure"
    text = processed.text if reason == "shown" else ""
    return Completion(
        text=text,
        replace_end_offset=call.offset + processed.replace_length if text else call.offset,
        logprob=decision.answer.logprob_of(text),
        tokens=len(decision.answer.steps),
        latency_ms=call.elapsed_ms,
        reason=reason,
        confidence=decision.confidence,
        rules=decision.rules,
        features=features,
    )


def complete_alternative(call: Call, alternative: Alternative, first: Completion) -> Completion:
    """Return the completion for an alternative at the same cursor as `first`."""
    return replace(
        first,
        text=alternative.processed.text,
        replace_end_offset=call.offset + alternative.processed.replace_length,
        logprob=alternative.logprob,
        tokens=alternative.tokens,
        reason="shown",
        rules=alternative.processed.rules,
        features=None,
    )


def complete_remaining(call: Call, remaining: RemainingSuggestion) -> Completion:
    """Return the completion for the remaining part of an earlier suggestion."""
    return Completion(
        text=remaining.text,
        replace_end_offset=call.offset + remaining.replace_length,
        logprob=remaining.logprob,
        tokens=0,
        latency_ms=call.elapsed_ms,
        reason="shown" if remaining.text else "empty",
        source="typed_through",
    )


def complete_suppressed(call: Call, suppression: Suppression) -> Completion:
    """Return the empty completion of a suppressed request."""
    return Completion(
        text="",
        replace_end_offset=call.offset,
        logprob=0.0,
        tokens=0,
        latency_ms=call.elapsed_ms,
        reason="silent",
        suppression=suppression,
    )


def join_alternatives(found: Sequence[Completion]) -> Completion:
    """Return the first completion with text, with the others as its alternatives; the first if none has text."""
    first, *alternatives = [completion for completion in found if completion.text] or found[:1]
    return replace(first, alternatives=tuple(alternatives)) if alternatives else first
