"""The result of a request, and how each outcome becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.confidence_gate import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.generate import Alternative, GeneratedAnswer
    from cg2ls.completion.postprocess.pipeline import Processed
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


def complete_generated(
    offset: int,
    answer: GeneratedAnswer,
    processed: Processed,
    gate: ConfidenceGate,
    began: float,
    *,
    is_stopped: bool,
) -> Completion:
    """Return the completion for a generated answer.

    Args:
        offset: of the cursor in the document.
        answer: the answer as generated.
        processed: the answer after postprocessing.
        gate: the confidence gate that watched it.
        began: start of the call, on the clock of `perf_counter`.
        is_stopped: whether the request was cancelled.
    """
    reason: Reason
    if is_stopped:
        reason = "stopped"
    elif processed.text:
        reason = "shown"
    else:
        reason = "empty" if gate.is_sure else "unsure"
    text = processed.text if reason == "shown" else ""
    return Completion(
        text=text,
        replace_end_offset=offset + processed.replace_length if text else offset,
        logprob=answer.logprob_of(text),
        tokens=len(answer.steps),
        latency_ms=(perf_counter() - began) * 1000,
        reason=reason,
        confidence=gate.confidence,
        rules=processed.rules if gate.is_sure else (*processed.rules, CONFIDENCE),
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
