"""The result of a request, and how each outcome becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.decision import Decision
    from cg2ls.completion.generate import Alternative
    from cg2ls.completion.hypothesis_features import HypothesisFeatures
    from cg2ls.completion.reuse import RemainingSuggestion
    from cg2ls.completion.trigger import Suppression
    from cg2ls.completion.types import Fault, Reason, Source


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
        features: numbers about the model's answer, also if it is not shown; None if the model did not run. Answers
            that the confidence gate ended have those of the tokens so far.
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


def complete_generated(
    offset: int,
    decision: Decision,
    features: HypothesisFeatures,
    began: float,
    *,
    is_stopped: bool,
) -> Completion:
    """Return the completion for an answer of the model.

    Args:
        offset: of the cursor in the document.
        decision: the answer that may be shown.
        features: numbers about it.
        began: start of the call, on the clock of `perf_counter`.
        is_stopped: whether the request was cancelled.
    """
    reason: Reason
    processed = decision.processed
    if is_stopped:
        reason = "stopped"
    elif processed.text:
        reason = "shown"
    else:
        reason = "empty" if decision.is_sure else "unsure"
    text = processed.text if reason == "shown" else ""
    return Completion(
        text=text,
        replace_end_offset=offset + processed.replace_length if text else offset,
        logprob=decision.answer.logprob_of(text),
        tokens=len(decision.answer.steps),
        latency_ms=(perf_counter() - began) * 1000,
        reason=reason,
        confidence=decision.confidence,
        rules=decision.rules,
        features=features,
    )


def complete_alternative(alternative: Alternative, first: Completion, offset: int) -> Completion:
    """Return the completion for an alternative at the same cursor as `first`."""
    return replace(
        first,
        text=alternative.processed.text,
        replace_end_offset=offset + alternative.processed.replace_length,
        logprob=alternative.logprob,
        tokens=alternative.tokens,
        reason="shown",
        rules=alternative.processed.rules,
        features=None,
    )


def complete_remaining(offset: int, remaining: RemainingSuggestion, began: float) -> Completion:
    """Return the completion for the remaining part of an earlier suggestion."""
    return Completion(
        text=remaining.text,
        replace_end_offset=offset + remaining.replace_length,
        logprob=remaining.logprob,
        tokens=0,
        latency_ms=(perf_counter() - began) * 1000,
        reason="shown" if remaining.text else "empty",
        source="typed_through",
    )


def complete_suppressed(offset: int, suppression: Suppression, began: float) -> Completion:
    """Return the empty completion of a suppressed request."""
    return Completion(
        text="",
        replace_end_offset=offset,
        logprob=0.0,
        tokens=0,
        latency_ms=(perf_counter() - began) * 1000,
        reason="silent",
        suppression=suppression,
    )


def join_alternatives(found: Sequence[Completion]) -> Completion:
    """Return the first completion with text, with the others as its alternatives; the first if none has text."""
    first, *alternatives = [completion for completion in found if completion.text] or found[:1]
    return replace(first, alternatives=tuple(alternatives)) if alternatives else first
