"""Choose a line among several hypotheses by the text below, and decide between it and the greedy answer.

Greedy decoding decides most places. Where it is not sure, beam search finds further lines, and the text below judges
them together with their own log-probability. Weights differ by kind of place, since evidence helps where a whole
line is missing and hurts inside lines (docs/reference/completion.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.generate import Alternative, GeneratedAnswer
from cg2ls.completion.hypotheses import cut_below, rank_lines, read_evidence, search_lines
from cg2ls.completion.postprocess.pipeline import Processed
from cg2ls.completion.prompt.cursor import find_place_kind
from cg2ls.completion.types import SupportsSearch
from cg2ls.models.folder.line_choice import DEFAULT_LINE_CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.hypotheses import ChosenLine
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.postprocess.pipeline import Postprocessor
    from cg2ls.completion.prompt.builder import PromptBuilder
    from cg2ls.completion.prompt.cursor import Cursor, PlaceKind
    from cg2ls.completion.types import CompletionEngine, Trigger
    from cg2ls.engine.request import Request, Step
    from cg2ls.models.folder.line_choice import LineChoice, PlaceWeights

HYPOTHESES = "hypotheses"
"""Name of this stage in results, faults and `CompletionOptions.disabled_rules`."""

WIDTH = 4
"""Number of beams. Among two or one the right line is found less often, and each further one costs as much as a
line."""

SURE_CONFIDENCE = 0.5
"""Greedy decoding decides alone if its answer is at least as likely to be right as this."""


AUTOMATIC_PLACES: frozenset[PlaceKind] = frozenset({"line_start", "after_open"})
"""Kinds of place at which lines are compared while the user types. Inside of words and between them there is a
request at each key, so comparing would slow typing. For requests by hand only the model's numbers count."""

AUTOMATIC_MS = 200.0
INVOKED_MS = 2000.0
"""Time from a request to an answer that compares lines, while typing and for requests of the user. If it does not
suffice, greedy decoding decides."""


def limit_choice(choose_ms: float | None, max_ms: float | None, trigger: Trigger) -> float:
    """Return the time from a request to an answer that compares lines, in milliseconds.

    Args:
        choose_ms: limit that the options set; None for the defaults.
        max_ms: limit of every answer; None for no limit.
        trigger: who asked.
    """
    usual = INVOKED_MS if trigger == "invoked" else AUTOMATIC_MS
    return min(usual if choose_ms is None else choose_ms, math.inf if max_ms is None else max_ms)


def may_choose(options: CompletionOptions, trigger: Trigger, postprocessor: Postprocessor) -> bool:
    """Return whether the options let several lines be compared where greedy decoding is not sure."""
    is_wanted = options.choose == "hypotheses" or (options.choose == "on_request" and trigger == "invoked")
    return is_wanted and HYPOTHESES not in postprocessor.disabled


def choose_if_unsure(
    engine: CompletionEngine,
    options: CompletionOptions,
    limit: Callable[[float | None], Request],
    stop: Callable[[], bool],
    prompts: PromptBuilder,
    postprocessor: Postprocessor,
    gate: ConfidenceGate,
    answer: GeneratedAnswer,
) -> ChosenLine | None:
    """Compare several lines if greedy decoding is not sure, the options and the engine allow it, and time remains.

    Args:
        engine: the open model.
        options: what the user set.
        limit: returns the request of the greedy answer with what remains of a time in milliseconds.
        stop: returns whether the request was cancelled.
        prompts: builder of that request.
        postprocessor: rules for the cursor.
        gate: the confidence gate that watched the greedy answer.
        answer: the greedy answer.

    Returns:
        None if greedy decoding decides.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    trigger = postprocessor.context.trigger
    if not may_choose(options, trigger, postprocessor) or stop():
        return None
    if not isinstance(engine, SupportsSearch) or (gate.is_sure and gate.confidence >= SURE_CONFIDENCE):
        return None
    max_ms = limit_choice(options.choose_ms, options.max_ms, trigger)
    return choose_line(
        engine,
        lambda: limit(max_ms),
        prompts.text_above,
        postprocessor,
        answer.steps,
        engine.model.line_choice or DEFAULT_LINE_CHOICE,
        stop,
    )


def find_weights(choice: LineChoice, cursor: Cursor, trigger: Trigger) -> PlaceWeights | None:
    """Return the weights at a cursor; None if greedy decoding decides there.

    That is so in kinds of place without weights or with a request at each key. It is also so if code follows on the
    line, or if there is no text below.
    """
    kind = find_place_kind(cursor)
    weights = choice.places.get(kind) if trigger == "invoked" or kind in AUTOMATIC_PLACES else None
    if weights is None or cursor.is_mid_line or not cut_below(cursor, choice.evidence_tokens):
        return None
    return weights


def choose_line(
    engine: SupportsSearch,
    limit: Callable[[], Request],
    text_above: Sequence[int],
    postprocessor: Postprocessor,
    greedy: Sequence[Step],
    choice: LineChoice,
    stop: Callable[[], bool],
) -> ChosenLine | None:
    """Search for hypotheses and choose one.

    Args:
        engine: the open model.
        limit: returns the request of the greedy answer with the time that remains.
        text_above: tokens of the text above, up to the forced bytes of the request.
        postprocessor: rules for the cursor.
        greedy: steps of the greedy answer, possibly ended early.
        choice: fitted numbers of the model.
        stop: returns whether the request was cancelled.

    Returns:
        None if greedy decoding decides, or the time does not suffice.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    cursor = postprocessor.context.cursor
    weights = find_weights(choice, cursor, postprocessor.context.trigger)
    if weights is None:
        return None
    lines = search_lines(engine, limit(), postprocessor, WIDTH, stop)
    evidence = read_evidence(
        engine,
        limit(),
        text_above,
        cursor,
        [line.processed for line in lines],
        choice.evidence_tokens,
        stop,
    )
    if evidence is None:
        return None
    return rank_lines(lines, evidence, greedy, weights, choice.confidence)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer that may be shown.

    Attributes:
        answer: tokens of the answer.
        processed: the answer after postprocessing.
        confidence: estimated probability that it is right, 0 to 1.
        is_sure: whether the confidence reaches the threshold.
        rules: names of what changed the answer or left it out, in order of application.
        chosen: the hypotheses if several were compared; None otherwise.
    """

    answer: GeneratedAnswer
    processed: Processed
    confidence: float
    is_sure: bool
    rules: tuple[str, ...]
    chosen: ChosenLine | None = None


def decide(
    answer: GeneratedAnswer,
    processed: Processed,
    gate: ConfidenceGate,
    chosen: ChosenLine | None,
    *,
    forced: bytes,
    min_confidence: float,
) -> Decision:
    """Return the chosen line if it is sure enough, else the greedy answer as far as it is sure.

    If the chosen line is the beginning of the whole greedy answer, that answer stays: it may have more lines. If
    another line is better than the greedy one, and not sure enough itself, nothing is shown: greedy lines of that
    kind are nearly always wrong.

    Args:
        answer: the greedy answer.
        processed: the same after postprocessing.
        gate: the confidence gate that watched it.
        chosen: hypotheses that were compared; None if there were none.
        forced: bytes that both were forced to begin with.
        min_confidence: threshold of the chosen line.
    """
    keeps_greedy = chosen is None or (
        chosen.best.is_greedy and (chosen.confidence < min_confidence or (gate.is_sure and processed.text))
    )
    if chosen is None or keeps_greedy:
        return Decision(
            answer=answer,
            processed=processed,
            confidence=gate.confidence,
            is_sure=gate.is_sure,
            rules=processed.rules if gate.is_sure else (*processed.rules, CONFIDENCE),
            chosen=chosen,
        )
    line = chosen.best.line
    is_sure = chosen.confidence >= min_confidence
    rules = line.processed.rules if chosen.best.is_greedy else (*line.processed.rules, HYPOTHESES)
    return Decision(
        answer=GeneratedAnswer.from_steps(forced, line.steps),
        processed=line.processed if is_sure else Processed(""),
        confidence=chosen.confidence,
        is_sure=is_sure,
        rules=rules if is_sure else (*rules, CONFIDENCE),
        chosen=chosen,
    )


def list_other_lines(decision: Decision, max_count: int) -> list[Alternative]:
    """Return the other hypotheses to choose from, the best first, at most `max_count`."""
    if decision.chosen is None:
        return []
    shown = decision.processed.text.split("\n")[0].split()
    found = [
        Alternative(each.line.processed, each.line.logprob, len(each.line.steps))
        for each in decision.chosen.ranked
        if each.line.processed.text.split() != shown
    ]
    return found[:max_count]
