"""Early stopping: when to end an adaptation, and which weights to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cg2_training.evaluate.losses import Evaluation

PATIENCE = 3
"""Consecutive evaluations without improvement after which a run ends."""


def stopping_score(evaluation: Evaluation) -> float:
    """Return the score to minimize: the mean of causal and infill nats per token."""
    return (evaluation.causal_nats + evaluation.infill_nats) / 2


@dataclass
class EarlyStopping:
    """`ShouldContinue` callback that keeps the best weights and ends a run without improvement (Prechelt 1998).

    Attributes:
        best: best score so far, initially that of the weights before the first step.
        on_best: called when the current weights become the best.
        best_step: step of the best weights; 0 for those before the first step.
        failures: evaluations since the best one.
    """

    best: float
    on_best: Callable[[], None]
    best_step: int = 0
    failures: int = 0

    def __call__(self, step: int, evaluation: Evaluation) -> bool:
        """Record an evaluation; tell whether to continue."""
        if self._record(step, evaluation):
            self.on_best()
        return self.should_continue

    @property
    def should_continue(self) -> bool:
        """Whether to continue training."""
        return self.failures < PATIENCE

    def replay_log(self, entries: Sequence[Mapping[str, Any]], done: int) -> None:
        """Record the evaluations in a run's log up to the step that it resumes from."""
        names = {field.name for field in fields(Evaluation)}
        for entry in entries:
            if "heldout" in entry and entry["step"] <= done:
                known = {name: value for name, value in entry["heldout"].items() if name in names}
                self._record(entry["step"], Evaluation(**known))

    def _record(self, step: int, evaluation: Evaluation) -> bool:
        better = stopping_score(evaluation) < self.best
        if better:
            self.best, self.best_step, self.failures = stopping_score(evaluation), step, 0
        else:
            self.failures += 1
        return better
