"""Decide between the greedy answer and the chosen line, before results are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.choose import HYPOTHESES
from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.generate import Alternative, GeneratedAnswer
from cg2ls.completion.hypothesis_features import compare_hypothesis

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.choose import ChosenLine
    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.hypothesis_features import HypothesisFeatures
    from cg2ls.completion.postprocess.pipeline import Processed


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer that may be shown.

    Attributes:
        answer: tokens of the answer.
        processed: the answer after postprocessing.
        confidence: estimated probability that it is right, 0 to 1.
        is_sure: whether the confidence reaches the threshold.
        rules: names of what changed the answer, in order of application.
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

    If the chosen line is the beginning of the whole greedy answer, that answer stays: it may have more lines.

    Args:
        answer: the greedy answer.
        processed: the same after postprocessing.
        gate: the confidence gate that watched it.
        chosen: hypotheses that were compared; None if there were none.
        forced: bytes that both were forced to begin with.
        min_confidence: threshold of the chosen line.
    """
    if chosen is None or chosen.confidence < min_confidence:
        rules = processed.rules if gate.is_sure else (*processed.rules, CONFIDENCE)
        return Decision(
            answer=answer,
            processed=processed,
            confidence=gate.confidence,
            is_sure=gate.is_sure,
            rules=rules,
            chosen=chosen,
        )
    if not (chosen.best.is_greedy and gate.is_sure and processed.text):
        line = chosen.best.line
        answer, processed = GeneratedAnswer.from_steps(forced, line.steps), line.processed
    return Decision(
        answer=answer,
        processed=processed,
        confidence=chosen.confidence,
        is_sure=True,
        rules=processed.rules if chosen.best.is_greedy else (*processed.rules, HYPOTHESES),
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
