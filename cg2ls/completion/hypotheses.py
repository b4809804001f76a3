"""Hypotheses: several first lines that the model could have meant, and their order by score and by the text below.

Beam search finds the lines. A line is judged by what the model makes of the text below it: `log P(text below | text
above, line)`, by plain continuation. With the line's own log-probability this is a noisy channel (Yu et al. 2017, arXiv
1611.02554; Yee et al. 2019, arXiv 1908.05731), whose channel model is the same network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.completion.faults import score_engine, search_engine
from cg2ls.completion.generate import GeneratedAnswer, is_cut_short
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.engine.beam_search import BeamOptions
from cg2ls.engine.scoring import Continuation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from cg2ls.completion.postprocess.pipeline import Processed
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.types import SupportsSearch
    from cg2ls.engine.beam_search import Hypothesis
    from cg2ls.engine.request import Request, Step
    from cg2ls.models.folder.line_choice import ConfidenceWeights, PlaceWeights


MAX_GAP = 8.0
"""Nats by which a hypothesis may be less likely than the best one; no fitted weight of the text below makes up for
more."""


@dataclass(frozen=True)
class LineHypothesis:
    """One line that could be shown.

    Attributes:
        processed: the line after postprocessing, never empty.
        steps: tokens of the answer that it was made of.
        logprob: log-probability of the line in nats, its end included.
        ended_by_model: probability that the model ends its answer after the line, of all the ends found.
    """

    processed: Processed
    steps: tuple[Step, ...]
    logprob: float
    ended_by_model: float


def search_lines(
    engine: SupportsSearch,
    request: Request,
    postprocessor: Postprocessor,
    width: int,
    stop: Callable[[], bool],
) -> list[LineHypothesis]:
    """Search for the likeliest lines to show; lines that the rules make equal are one hypothesis.

    Args:
        engine: the open model.
        request: request of the answer; its time limit holds.
        postprocessor: rules for its cursor.
        width: number of beams.
        stop: returns whether the request was cancelled.

    Returns:
        The hypotheses, the likeliest first; those that ran out of tokens or have nothing to show are left out. None if
        the search ended early, since the lines that are found first are the short ones.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    rules = limit_to_line(postprocessor)

    def is_complete(steps: Sequence[Step]) -> bool:
        answer = GeneratedAnswer.from_steps(request.forced, steps)
        return len(answer.data) > answer.forced and (answer.is_full or rules.is_complete(answer.text))

    def key_of(steps: Sequence[Step]) -> Hashable:
        return rules.find_end(GeneratedAnswer.from_steps(request.forced, steps).text).rstrip()

    options = BeamOptions(width=width, max_gap=MAX_GAP, is_complete=is_complete, key_of=key_of)
    found = search_engine(engine, replace(request, draft_hint=()), options, stop)
    if is_cut_short(engine):
        return []
    by_text: dict[tuple[str, int], LineHypothesis] = {}
    for hypothesis in found:
        if hypothesis.is_finished and (line := make_line(hypothesis, request.forced, rules)):
            by_text.setdefault((line.processed.text, line.processed.replace_length), line)
    return list(by_text.values())


def limit_to_line(postprocessor: Postprocessor) -> Postprocessor:
    """Return the same rules for one line at most."""
    return replace(postprocessor, context=replace(postprocessor.context, max_lines=1))


def make_line(found: Hypothesis, forced: bytes, rules: Postprocessor) -> LineHypothesis | None:
    """Return the line to show of a finished hypothesis; None if the rules leave nothing.

    Args:
        found: the hypothesis.
        forced: bytes that it was forced to begin with.
        rules: rules for its cursor, for one line at most.
    """
    answer = GeneratedAnswer.from_steps(forced, found.steps)
    processed = rules.process(answer.text, ended=True, ended_by_model=found.ended_by_model > 0)
    if not processed.text:
        return None
    return LineHypothesis(processed, found.steps, found.logprob, found.ended_by_model)


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


def rank_lines(
    lines: Sequence[LineHypothesis],
    evidence: Sequence[Sequence[float]],
    greedy: Sequence[Step],
    weights: PlaceWeights,
    confidence: ConfidenceWeights,
) -> ChosenLine:
    """Order hypotheses by score; of equal ones the likelier comes first, then the first one.

    A score that is not a number counts as the lowest, and a best line without a finite score has no confidence.

    Args:
        lines: the hypotheses, at least one.
        evidence: log-probability of each token of the text below, for each line.
        greedy: steps of the greedy answer.
        weights: weights at this kind of place.
        confidence: weights of the probability that the best line is right.
    """
    scored = [
        _score(line, read, weights, is_greedy=_agrees(line, greedy))
        for line, read in zip(lines, evidence, strict=True)
    ]
    ranked = sorted(scored, key=lambda each: (-each.score, -each.line.logprob))
    best = ranked[0]
    if not math.isfinite(best.score):
        return ChosenLine(ranked, 0.0)
    lead = min(MAX_GAP, best.score - ranked[1].score) if len(ranked) > 1 else MAX_GAP
    exponent = confidence.bias + confidence.logprob * best.line.logprob + confidence.lead * lead
    return ChosenLine(ranked, 1 / (1 + math.exp(-max(-700.0, min(700.0, exponent)))))


def _score(
    line: LineHypothesis, evidence: Sequence[float], weights: PlaceWeights, *, is_greedy: bool
) -> ScoredLine:
    score = line.logprob + weights.evidence * sum(evidence) + weights.greedy * is_greedy
    return ScoredLine(line, -math.inf if math.isnan(score) else score, evidence, is_greedy)


def _agrees(line: LineHypothesis, greedy: Sequence[Step]) -> bool:
    """Return whether the tokens of a line and of the greedy answer agree as far as both go."""
    return all(one.token == other.token for one, other in zip(line.steps, greedy, strict=False))


MAX_EVIDENCE_CHARS_PER_TOKEN = 8
"""More than the average of any tokenizer on code; it limits how much text is tokenized."""


def cut_below(cursor: Cursor, max_tokens: int) -> str:
    """Return the beginning of the text after the cursor's line; "" if it is blank.

    Args:
        cursor: place to complete at.
        max_tokens: number of tokens that are read.
    """
    if cursor.is_cut_after:
        return ""
    start = cursor.line_end + 1
    below = cursor.text[start : start + max_tokens * MAX_EVIDENCE_CHARS_PER_TOKEN]
    return below if below.strip() else ""


def read_evidence(
    engine: SupportsSearch,
    request: Request,
    prefix: Sequence[int],
    cursor: Cursor,
    lines: Sequence[Processed],
    max_tokens: int,
    stop: Callable[[], bool],
) -> list[list[float]] | None:
    """Read the text below after each line.

    Args:
        engine: the open model.
        request: request of the lines, whose cache stays; its time limit holds.
        prefix: tokens of the text above, up to the forced bytes of the request.
        cursor: place of the lines.
        lines: texts that could be shown.
        max_tokens: number of tokens to read after each line.
        stop: returns whether the request was cancelled.

    Returns:
        The log-probability of each token of the text below, in nats, for each line. None if there is no text below, if
        the context or the time is too short, or if it was cancelled.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    below = cut_below(cursor, max_tokens)
    if not below or not lines:
        return None
    encode = engine.tokenizer.encode
    scored = encode(below)[:max_tokens]
    forced = request.forced.decode("utf-8", errors="ignore")
    continuations = [
        Continuation(encode(forced + line.text + cursor.line_after[line.replace_length :] + "\n"), scored)
        for line in lines
    ]
    longest = max(len(each.given) for each in continuations) + len(scored)
    if not prefix or len(prefix) + longest > engine.context_length:
        return None
    return score_engine(engine, prefix, continuations, stop, request)
