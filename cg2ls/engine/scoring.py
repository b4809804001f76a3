"""Log-probabilities of given texts after a common prefix, by plain continuation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.io_binding import MAX_LOGIT_ROWS
from cg2ls.engine.request import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.decoding import Deadline
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.sequence import TokenSequence


@dataclass(frozen=True, slots=True)
class Continuation:
    """Text after the prefix.

    Attributes:
        given: tokens that follow the prefix, at least one.
        scored: tokens after them, whose log-probabilities are wanted, at least one.
    """

    given: Sequence[int]
    scored: Sequence[int]

    def __post_init__(self) -> None:
        if not self.given or not self.scored:
            raise RequestError("A continuation needs at least one given and one scored token.")


class Scorer:
    """Scores of texts after one prefix, in a context of its own, so that the prompt's cache stays.

    Args:
        runner: the open model.
        sequence: holds the prefix.
        deadline: time limit of all scores.
        stop: whether the request was cancelled.
    """

    def __init__(
        self,
        runner: ModelRunner,
        sequence: TokenSequence,
        *,
        deadline: Deadline,
        stop: Callable[[], bool],
    ) -> None:
        self._runner = runner
        self._sequence = sequence
        self._deadline = deadline
        self._stop = stop

    def run(self, continuations: Sequence[Continuation]) -> list[list[float]] | None:
        """Return the log-probability of each scored token, in nats; None if there is no time or it was cancelled.

        Raises:
            RequestError: the logits are not finite.
            RunError: the model could not be run.
        """
        if self._sequence.read((), (), self._may_read) is None:
            return None
        found: list[list[float]] = []
        for continuation in continuations:
            logprobs = self._score(continuation)
            if logprobs is None:
                return None
            found.append(logprobs)
        self._sequence.truncate_answer(0)
        return found

    def _score(self, continuation: Continuation) -> list[float] | None:
        """Score one text: after its last given token, and after each scored one but the last."""
        scored = [int(token) for token in continuation.scored]
        read = [int(token) for token in (*continuation.given, *scored[:-1])]
        self._sequence.truncate_answer(0)
        found: list[float] = []
        first = len(continuation.given) - 1
        calls = [(0, first + min(len(scored), MAX_LOGIT_ROWS))]
        while calls[-1][1] < len(read):
            calls.append((calls[-1][1], min(len(read), calls[-1][1] + MAX_LOGIT_ROWS)))
        for begin, end in calls:
            if not self._may_read(end - begin):
                return None
            rows = end - max(begin, first)
            logits = self._sequence.extend(read[begin:end], rows=rows)
            found += _logprobs_at(logits, scored[len(found) : len(found) + rows])
        if not np.isfinite(found).all():
            raise RequestError(
                f"{self._runner.model.name} computes no finite numbers; convert the model again."
            )
        return found

    def _may_read(self, count: int) -> bool:
        return not self._stop() and self._deadline.allows(self._runner.costs.seconds(count))


def _logprobs_at(logits: NDArray[np.float32], tokens: Sequence[int]) -> list[float]:
    """Return the log-probability of one token for each row, in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(tokens)), tokens].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        totals = np.log(np.exp(shifted).sum(axis=1, dtype=np.float64))
    return [float(each) for each in chosen - totals]
