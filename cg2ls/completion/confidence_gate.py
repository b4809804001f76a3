"""Estimate how likely an answer is right, and end answers that are not sure enough to be shown automatically.

The probability that a line is the one the user wants is estimated from the log-probabilities of its tokens, in nats,
including the line end:

    confidence = 1 / (1 + exp(-(BIAS + SCALE * sum)))

A first token that contains typed characters of a word is left out of the sum. The model did not see these characters,
so their share of the log-probability says nothing about the rest. Other gates use the first token or the mean of all
tokens (IntelliCode's logs show two thresholds of that kind); docs/reference/completion.md compares them.

With a prior (the workspace's memory) the log-probabilities are those after mixing. Their meaning stays the same: text
shown with a confidence of 0.5 is right about half of the time, with or without a prior. But a prior moves far more
lines to middle confidences, so at the same threshold more wrong lines would be shown. Therefore the threshold with a
prior is higher, chosen so that no more places show wrong text than without one (docs/design/memory.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.types import CompletionEngine, Trigger
    from cg2ls.engine.request import Request, Step
    from cg2ls.models.folder.gate import GateWeights

CONFIDENCE = "confidence"
"""Name of the gate in `disabled_rules` and in results."""

CONFIDENCE_SCALE = 1.4
CONFIDENCE_BIAS = 1.25
"""Fitted on 2,714 places in Python files with the shipped model (docs/reference/completion.md)."""

MIN_CONFIDENCE = 0.1
"""Measured threshold: text with a lower confidence is nearly always wrong."""

MIN_CONFIDENCE_WITH_PRIOR = 0.35
"""Measured threshold if there is a prior."""

MIN_CHOSEN_CONFIDENCE = 0.45
"""Measured threshold of a line that was chosen among several: above it more than half of the lines are right."""

EARLY_CONFIDENCE = 0.05
"""Running confidence below which an answer ends, if a fitted gate judges the rest."""


@dataclass(frozen=True)
class Thresholds:
    """Minimum confidences of one document's answers.

    Attributes:
        engine: the open model.
        options: what the user set.
        disabled: names of rules that are left out.
        own_gate: a gate fitted on the user's own acceptances, which may only withhold; None for none.
    """

    engine: CompletionEngine
    options: CompletionOptions
    disabled: Set[str]
    own_gate: GateWeights | None = None

    def list_gates(self, trigger: Trigger) -> list[GateWeights]:
        """Return the fitted gates that an answer must pass."""
        gates = (self.engine.model.gate, self.own_gate) if self._may_judge(trigger) else ()
        return [gate for gate in gates if gate is not None]

    def are_fitted(self, trigger: Trigger) -> bool:
        """Return whether the model's fitted gate decides: it has one, and neither user nor options decide instead."""
        return self.engine.model.gate is not None and self._may_judge(trigger)

    def of_answer(self, trigger: Trigger, request: Request) -> float:
        """Return the minimum confidence of the greedy answer; 0 accepts everything."""
        prior = MIN_CONFIDENCE if request.prior is None else MIN_CONFIDENCE_WITH_PRIOR
        return self._choose(trigger, prior)

    def of_chosen(self, trigger: Trigger) -> float:
        """Return the minimum confidence of a line that was chosen among several; 0 accepts everything."""
        return self._choose(trigger, MIN_CHOSEN_CONFIDENCE)

    def _may_judge(self, trigger: Trigger) -> bool:
        return (
            trigger == "automatic" and self.options.min_confidence is None and CONFIDENCE not in self.disabled
        )

    def _choose(self, trigger: Trigger, measured: float) -> float:
        if trigger == "invoked" or CONFIDENCE in self.disabled:
            return 0.0
        if self.options.min_confidence is not None:
            return self.options.min_confidence
        return EARLY_CONFIDENCE if self.are_fitted(trigger) else measured


class ConfidenceGate:
    """Running confidence of an answer, and the part of the answer that is sure enough.

    Args:
        forced: bytes that the answer must begin with because they were typed already.
        min_confidence: threshold; 0 accepts everything.

    Attributes:
        is_sure: whether the confidence has reached the threshold after every token so far.
        sure_bytes: length of the sure part of the answer, without the forced bytes.
    """

    def __init__(self, forced: bytes, min_confidence: float) -> None:
        self._forced = forced
        self._min_confidence = min_confidence
        self._logprob_sum = 0.0
        self._length = 0
        self.sure_bytes = 0
        self.is_sure = True

    @property
    def confidence(self) -> float:
        """Confidence of all tokens so far."""
        exponent = -(CONFIDENCE_BIAS + CONFIDENCE_SCALE * self._logprob_sum)
        return 1 / (1 + math.exp(min(700.0, exponent)))

    def take(self, step: Step) -> bool:
        """Add the next token.

        Returns:
            Whether the answer is still sure enough. Once it is not, it never is again.
        """
        if not _contains_typed_bytes(self._forced[self._length :], step):
            self._logprob_sum += step.logprob
        self._length += len(step.data)
        self.is_sure = self.is_sure and self.confidence >= self._min_confidence
        if self.is_sure:
            self.sure_bytes = max(0, self._length - len(self._forced))
        return self.is_sure


def drop_typed_steps(forced: bytes, steps: Iterable[Step]) -> list[Step]:
    """Return the steps without leading ones that contain typed characters of a word.

    Args:
        forced: bytes that the answer must begin with.
        steps: steps of the answer.
    """
    kept: list[Step] = []
    length = 0
    for step in steps:
        if not _contains_typed_bytes(forced[length:], step):
            kept.append(step)
        length += len(step.data)
    return kept


def _contains_typed_bytes(remaining: bytes, step: Step) -> bool:
    """Return whether a token contains typed bytes other than the blank before a word.

    Args:
        remaining: forced bytes that the tokens before it left.
        step: the token.
    """
    return bool(remaining.strip()) or (bool(remaining) and not step.data.strip())
