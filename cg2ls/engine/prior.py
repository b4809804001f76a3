"""What else is known about the next token, beside the model: the interface the engine asks it through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
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
