"""When to stop adapting, and which weights to on_best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cg2_training.evaluate.losses import Evaluation

PATIENCE = 3
"""Evaluations in a row that may fail to improve before a run ends."""


def stopping_score(evaluation: Evaluation) -> float:
    """What is to fall: nats per token, continuation and infill counted alike."""
    return (evaluation.causal_nats + evaluation.infill_nats) / 2


@dataclass
class EarlyStopping:
    """A `ShouldContinue` that keeps the best weights and ends a run that no longer improves (Prechelt 1998).

    Attributes:
        best: score to beat; that of the weights before the first step, to begin with.
        on_best: called when the weights as they are became the best.
        best_step: step of the best weights; 0 for those before the first.
        failures: evaluations since.
    """

    best: float
    on_best: Callable[[], None]
    best_step: int = 0
    failures: int = 0

    def __call__(self, step: int, evaluation: Evaluation) -> bool:
        """Take note of an evaluation; whether to train on."""
        if self._note(step, evaluation):
            self.on_best()
        return self.should_continue

    @property
    def should_continue(self) -> bool:
        """Whether it is worth training on."""
        return self.failures < PATIENCE

    def replay_log(self, entries: Sequence[Mapping[str, Any]], done: int) -> None:
        """Take note of the evaluations in a run's log up to the step it goes on from."""
        names = {field.name for field in fields(Evaluation)}
        for entry in entries:
            if "heldout" in entry and entry["step"] <= done:
                known = {name: value for name, value in entry["heldout"].items() if name in names}
                self._note(entry["step"], Evaluation(**known))

    def _note(self, step: int, evaluation: Evaluation) -> bool:
        better = stopping_score(evaluation) < self.best
        if better:
            self.best, self.best_step, self.failures = stopping_score(evaluation), step, 0
        else:
            self.failures += 1
        return better
