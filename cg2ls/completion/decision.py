"""Decide between the greedy answer and the chosen line, before results are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.choose import HYPOTHESES
from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.generate import Alternative, GeneratedAnswer
from cg2ls.completion.hypothesis_features import compare_hypothesis
from cg2ls.completion.postprocess.pipeline import Processed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.choose import ChosenLine
    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.hypothesis_features import HypothesisFeatures


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


def describe_decision(decision: Decision, describe: Callable[..., HypothesisFeatures]) -> HypothesisFeatures:
    """Return the features of what was decided.

    Args:
        decision: the decision.
        describe: returns the features of steps and a text by themselves.
    """
    features = describe(steps=decision.answer.steps, text=decision.processed.text)
    chosen = decision.chosen
    if chosen is None:
        return features
    return compare_hypothesis(
        features,
        hypotheses=len(chosen.ranked),
        is_greedy=chosen.best.is_greedy,
        lead=chosen.lead,
        evidence=chosen.evidence,
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
