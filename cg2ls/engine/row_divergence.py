"""How much a model's logits depend on what shares a call of the graph, measured on the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.kv_context import KVContext

COMPARED = 16
"""Tokens whose logits are compared."""

CALLS = (1, 3)
"""Tokens of the calls that are compared with one call for all: as an answer grows, and odd, as drafts may be."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Logits of the same tokens, read in one call and in several.

    Attributes:
        largest: largest difference of any logit.
        changed: tokens after which another one was the likeliest.
        compared: tokens.
    """

    largest: float
    changed: int
    compared: int

    def __str__(self) -> str:
        if not self.largest:
            return f"the same to the last bit whatever shares a call ({self.compared} tokens compared)"
        return (
            f"logits differ by up to {self.largest:.2g} with what shares a call;"
            f" {self.changed} of {self.compared} tokens change"
        )


def measure_divergence(
    context: KVContext, text: Sequence[int] | NDArray[np.int64], compared: int = COMPARED
) -> Divergence:
    """Reads the end of a text in one call and in calls of `CALLS` tokens.

    Args:
        context: is emptied.
        text: token ids, more than are compared.
        compared: how many at its end.
    """
    tokens: NDArray[np.int64] = np.asarray(text, dtype=np.int64)

    def read(size: int) -> NDArray[np.float32]:
        context.cached.truncate(0)
        context.run(tokens[:-compared])
        calls = (tokens[place : place + size] for place in range(len(tokens) - compared, len(tokens), size))
        return np.concatenate([context.run(call, len(call)).copy() for call in calls])

    together = read(compared)
    others = [read(size) for size in CALLS]
    context.cached.truncate(0)
    return Divergence(
        largest=max(float(np.abs(together - other).max()) for other in others),
        changed=max(int((together.argmax(axis=1) != other.argmax(axis=1)).sum()) for other in others),
        compared=compared,
    )
