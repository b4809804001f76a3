"""How sure an answer must be to be shown, by who asks, the options, and what the model has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.choose import MIN_CHOSEN_CONFIDENCE
from cg2ls.completion.confidence_gate import CONFIDENCE, MIN_CONFIDENCE, MIN_CONFIDENCE_WITH_PRIOR
from cg2ls.completion.fitted_gate import EARLY_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Set

    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.types import CompletionEngine, Trigger
    from cg2ls.engine.request import Request


@dataclass(frozen=True)
class Thresholds:
    """Minimum confidences of one document's answers.

    Attributes:
        engine: the open model.
        options: what the user set.
        disabled: names of rules that are left out.
    """

    engine: CompletionEngine
    options: CompletionOptions
    disabled: Set[str]

    def are_fitted(self, trigger: Trigger) -> bool:
        """Return whether the model's fitted gate decides: it has one, and neither user nor options decide instead."""
        return (
            trigger == "automatic"
            and self.engine.model.gate is not None
            and self.options.min_confidence is None
            and CONFIDENCE not in self.disabled
        )

    def of_answer(self, trigger: Trigger, request: Request) -> float:
        """Return the minimum confidence of the greedy answer; 0 accepts everything."""
        prior = MIN_CONFIDENCE if request.prior is None else MIN_CONFIDENCE_WITH_PRIOR
        return self._choose(trigger, prior)

    def of_chosen(self, trigger: Trigger) -> float:
        """Return the minimum confidence of a line that was chosen among several; 0 accepts everything."""
        return self._choose(trigger, MIN_CHOSEN_CONFIDENCE)

    def _choose(self, trigger: Trigger, measured: float) -> float:
        if trigger == "invoked" or CONFIDENCE in self.disabled:
            return 0.0
        if self.options.min_confidence is not None:
            return self.options.min_confidence
        return EARLY_CONFIDENCE if self.are_fitted(trigger) else measured
