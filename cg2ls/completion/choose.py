"""Choose a line among several hypotheses by what the model makes of the text below.

Greedy decoding decides most places. Where it is not sure, beam search finds further lines, and the text below judges
them together with their own log-probability. Weights differ by kind of place, since evidence helps where a whole
line is missing and hurts inside lines (docs/reference/completion.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.hypotheses import MAX_GAP, LineHypothesis, search_lines
from cg2ls.completion.prompt.cursor import find_place_kind
from cg2ls.completion.suffix_evidence import cut_below, read_evidence
from cg2ls.completion.types import SupportsSearch
from cg2ls.models.folder.line_choice import DEFAULT_LINE_CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion.call import Call
    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.generate import GeneratedAnswer
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.postprocess.pipeline import Postprocessor
    from cg2ls.completion.prompt.builder import PromptBuilder
    from cg2ls.completion.prompt.cursor import Cursor, PlaceKind
    from cg2ls.completion.types import CompletionEngine, Trigger
    from cg2ls.engine.request import Request, Step
    from cg2ls.models.folder.line_choice import ConfidenceWeights, LineChoice, PlaceWeights

HYPOTHESES = "hypotheses"
"""Name of this stage in results, faults and `CompletionOptions.disabled_rules`."""

WIDTH = 4
"""Number of beams. Among two or one the right line is found less often, and each further one costs as much as a
line."""

SURE_CONFIDENCE = 0.5
"""Greedy decoding decides alone if its answer is at least as likely to be right as this."""


MIN_CHOSEN_CONFIDENCE = 0.45
"""Measured threshold of a chosen line while the user types: above it more than half of the lines are right."""

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


@dataclass(frozen=True)
class ScoredLine:
    """One hypothesis with its score.

    Attributes:
        line: the hypothesis.
        score: its log-probability with the weighted evidence, in nats.
        evidence: log-probability of each token of the text below; empty where no text was read.
        is_greedy: whether it is what greedy decoding gives.
    """

    line: LineHypothesis
    score: float
    evidence: Sequence[float]
    is_greedy: bool


@dataclass(frozen=True)
class ChosenLine:
    """Result of a choice.

    Attributes:
        ranked: all hypotheses, the best first, at least one.
        confidence: estimated probability that the best one is right, 0 to 1.
    """

    ranked: Sequence[ScoredLine]
    confidence: float

    @property
    def best(self) -> ScoredLine:
        """The line to show."""
        return self.ranked[0]

    @property
    def lead(self) -> float:
        """Log-probability of the best line minus that of the likeliest other one; 0 without another one."""
        others = [each.line.logprob for each in self.ranked[1:]]
        return self.best.line.logprob - max(others) if others else 0.0

    @property
    def evidence(self) -> tuple[float, float] | None:
        """Log-probability per token of the text below after the best line, and its sum's lead before the best other.

        None where no text was read.
        """
        read = self.best.evidence
        if not read:
            return None
        others = [sum(each.evidence) for each in self.ranked[1:]]
        return sum(read) / len(read), sum(read) - max(others) if others else 0.0


def may_choose(options: CompletionOptions, trigger: Trigger, postprocessor: Postprocessor) -> bool:
    """Return whether the options let several lines be compared where greedy decoding is not sure."""
    is_wanted = options.choose == "hypotheses" or (options.choose == "on_request" and trigger == "invoked")
    return is_wanted and HYPOTHESES not in postprocessor.disabled


def choose_if_unsure(
    engine: CompletionEngine,
    options: CompletionOptions,
    call: Call,
    request: Request,
    prompts: PromptBuilder,
    postprocessor: Postprocessor,
    gate: ConfidenceGate,
    answer: GeneratedAnswer,
) -> ChosenLine | None:
    """Compare several lines if greedy decoding is not sure, the options and the engine allow it, and time remains.

    Args:
        engine: the open model.
        options: what the user set.
        call: call of the session.
        request: request of the greedy answer.
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
    if not may_choose(options, call.trigger, postprocessor) or call.stop():
        return None
    if not isinstance(engine, SupportsSearch) or (gate.is_sure and gate.confidence >= SURE_CONFIDENCE):
        return None
    max_ms = limit_choice(options.choose_ms, options.max_ms, call.trigger)
    return choose_line(
        engine,
        lambda: call.limit_time(request, max_ms),
        prompts.text_above,
        postprocessor,
        answer.steps,
        engine.model.line_choice or DEFAULT_LINE_CHOICE,
        call.stop,
    )


def find_weights(choice: LineChoice, cursor: Cursor, trigger: Trigger) -> PlaceWeights | None:
    """Return the weights at a cursor; None if greedy decoding decides there.

    That is so in kinds of place without weights or with a request at each key. It is also so where code follows on the
    line, and where nothing stands below.
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


def rank_lines(
    lines: Sequence[LineHypothesis],
    evidence: Sequence[Sequence[float]],
    greedy: Sequence[Step],
    weights: PlaceWeights,
    confidence: ConfidenceWeights,
) -> ChosenLine:
    """Order hypotheses by score; of equal ones the likelier comes first, then the first one.

    Args:
        lines: the hypotheses, at least one.
        evidence: log-probability of each token of the text below, for each line.
        greedy: steps of the greedy answer.
        weights: weights at this kind of place.
        confidence: weights of the probability that the best line is right.
    """
    scored = [
        ScoredLine(
            line,
            line.logprob
            + weights.evidence * sum(read)
            + weights.greedy * (is_greedy := _agrees(line, greedy)),
            read,
            is_greedy,
        )
        for line, read in zip(lines, evidence, strict=True)
    ]
    ranked = sorted(scored, key=lambda each: (-each.score, -each.line.logprob))
    best = ranked[0]
    lead = min(MAX_GAP, best.score - ranked[1].score) if len(ranked) > 1 else MAX_GAP
    exponent = confidence.bias + confidence.logprob * best.line.logprob + confidence.lead * lead
    return ChosenLine(ranked, 1 / (1 + math.exp(-max(-700.0, min(700.0, exponent)))))


def _agrees(line: LineHypothesis, greedy: Sequence[Step]) -> bool:
    """Return whether the tokens of a line and of the greedy answer agree as far as both go."""
    return all(one.token == other.token for one, other in zip(line.steps, greedy, strict=False))
