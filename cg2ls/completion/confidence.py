"""How sure the model is of what it wrote, and how sure it must be for that to be shown unasked.

The probability that a line is the one the user wants is estimated from the log-probabilities, in nats, of its
tokens, the line end among them:

    confidence = 1 / (1 + exp(-(BIAS + SCALE * sum)))

A first token that holds typed characters of a word is left out of the sum: the model was not given them, so their
share of its log-probability says nothing about the rest. Other gates look at the first token or at a mean of all
(IntelliCode's logs show two thresholds of that kind); docs/reference/completion.md compares them.

With a prior (the workspace's memory) the log-probabilities are those after mixing, and mean the same: what is shown
with a confidence of 0.5 is right about half of the time, with a prior and without. But far more lines then lie in the
middle, and at one threshold more of them would be wrong. So with a prior more is asked for, such that no more places
show something wrong than without; docs/design/memory.md has the measurement.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.engine.request import Step

SCALE = 1.4
BIAS = 1.25
"""Fitted on 2,714 places in Python files with the shipped model (docs/reference/completion.md)."""

LEAST_CONFIDENCE = 0.1
"""The measured threshold: what is shown less surely is nearly always wrong."""

LEAST_WITH_PRIOR = 0.35
"""The measured threshold where a prior takes part."""


class Gate:
    """Watches an answer grow and says how much of it is sure enough.

    Args:
        forced: bytes the answer begins with because they were typed already.
        least: confidence that is needed, 0 for any.
    """

    def __init__(self, forced: bytes, least: float) -> None:
        self._forced = forced
        self._least = least
        self._sum = 0.0
        self._bytes = 0
        self.sure_bytes = 0
        self.sure = True

    @property
    def confidence(self) -> float:
        """Of everything taken in so far."""
        return 1 / (1 + math.exp(min(700.0, -(BIAS + SCALE * self._sum))))

    def take(self, step: Step) -> bool:
        """Takes the next token in.

        Returns:
            Whether the answer is still sure enough; once it is not, it never is again.
        """
        if not self._typed(step):
            self._sum += step.logprob
        self._bytes += len(step.data)
        self.sure = self.sure and self.confidence >= self._least
        if self.sure:
            self.sure_bytes = max(0, self._bytes - len(self._forced))
        return self.sure

    def _typed(self, step: Step) -> bool:
        """Whether a token holds bytes that were typed, more than the blank in front of a word."""
        open_bytes = self._forced[self._bytes :]
        return bool(open_bytes.strip()) or (bool(open_bytes) and not step.data.strip())
