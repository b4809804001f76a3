"""One call of a document's session: its early final lines, its result, and how each outcome becomes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.choose import may_choose
from cg2ls.completion.faults import Faults
from cg2ls.completion.generate import ignore
from cg2ls.completion.types import NO_RETRIEVAL
from cg2ls.engine.request import never

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion.choose import Decision
    from cg2ls.completion.confidence_gate import ConfidenceGate, Thresholds
    from cg2ls.completion.fitted_gate import HypothesisFeatures
    from cg2ls.completion.generate import Alternative, GeneratedAnswer
    from cg2ls.completion.postprocess.pipeline import Postprocessor
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


@dataclass
class FinalLines:
    """Watches an answer and reports its whole lines once the gate is sure and no rule changes them.

    Nothing inside a line is final: the gate may still drop the line, and rules judge its end. Text below can still make
    a rule drop a reported line. The answer then ends after the reported lines, since the rules accepted them alone.

    Attributes:
        postprocessor: rules for the cursor.
        gate: the confidence gate that watches the answer.
        report: called with all final lines so far, without the last line end.
    """

    postprocessor: Postprocessor
    gate: ConfidenceGate
    report: Callable[[str], object]
    _seen: str = field(default="", init=False)

    def take(self, answer: GeneratedAnswer) -> None:
        """Report the final lines if there are more of them."""
        if self.postprocessor.context.extent == "line":
            return
        lines = answer.sure_lines(self.gate.sure_bytes).rstrip()
        if len(lines) <= len(self._seen):
            return
        self._seen = lines
        processed = self.postprocessor.process(lines, ended=True)
        if processed.text == lines and not processed.replace_length:
            self.report(lines)


def watch_lines(
    call: Call, thresholds: Thresholds, postprocessor: Postprocessor, gate: ConfidenceGate
) -> Callable[[GeneratedAnswer], object]:
    """Return the function that watches an answer; it does nothing if lines are not wanted or only the whole counts.

    Args:
        call: call of the session.
        thresholds: whether a fitted gate judges the whole answer.
        postprocessor: rules for the cursor.
        gate: the gate that watches the answer.
    """
    is_decided_late = (
        call.count > 1
        or bool(thresholds.list_gates(call.trigger))
        or may_choose(thresholds.options, call.trigger, postprocessor)
    )
    return (
        ignore
        if call.on_lines is None or is_decided_late
        else FinalLines(postprocessor, gate, call.on_lines).take
    )
