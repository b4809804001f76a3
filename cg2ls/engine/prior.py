"""What else is known about the next token, beside the model: the interface the engine asks it through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Prior(Protocol):
    """Evidence about one request's answer, such as what the open repository's own text says.

    A prior is bound to the text in front of the answer, which is the document's left of where the prompt
    ends (left of the cursor but for the bytes a request forces). It is asked with the tokens generated since
    and must answer the same question the same way: drafted tokens are asked about before it is known whether
    they are taken, and some are asked about twice.
    """

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next token's distribution after this evidence.

        Args:
            generated: tokens of the answer so far.
            logits: the model's own, float32 [vocab], not normalized; not to be changed, and gone after the call.

        Returns:
            Log-probabilities in nats, float32 [vocab], whose exponentials sum to 1. Tokens are chosen from
            these and reported with them.
        """

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """Tokens likely to come next, at most so many, perhaps none.

        A wrong draft costs time and never changes an answer.
        """


class GuardedPrior:
    """A prior that takes no part in an answer any more once it has failed; the model's opinion is left.

    So the engine never sees an exception that is none of its own, and an answer outlives its prior.

    Args:
        prior: to ask.
        vocab_size: token ids are below it.

    Attributes:
        failure: what the prior raised; None while it has not failed.
    """

    def __init__(self, prior: Prior, vocab_size: int) -> None:
        self.failure: Exception | None = None
        self._prior = prior
        self._vocab_size = vocab_size

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Prior`."""
        if self.failure is None:
            try:
                return _distribution(self._prior.mix(generated, logits), logits)
            except Exception as error:
                self.failure = error
        return log_softmax(logits)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """See `Prior`."""
        if self.failure is None:
            try:
                drafted = [int(token) for token in self._prior.draft(generated, most)]
                if not all(0 <= token < self._vocab_size for token in drafted):
                    raise ValueError("a prior drafted an id that is no token")
            except Exception as error:
                self.failure = error
            else:
                return drafted
        return ()


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities, in nats, of logits, float32 [vocab]."""
    shifted: NDArray[np.float32] = logits - logits.max()
    shifted -= np.float32(np.log(np.exp(shifted).sum()))
    return shifted


def _distribution(mixed: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a prior gave back, if that can be log-probabilities.

    Raises:
        ValueError: it cannot.
    """
    if mixed.shape != logits.shape or not np.isfinite(mixed.max()):
        raise ValueError("a prior gave no distribution over the tokens")
    return mixed
