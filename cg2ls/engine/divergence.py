"""How much a model's logits depend on what shares a call of the graph, measured on the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.forward import Forward

COMPARED = 16
"""Tokens whose logits are compared."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Logits of the same tokens, read in one call and one by one.

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
    context: Forward, text: Sequence[int] | NDArray[np.int64], compared: int = COMPARED
) -> Divergence:
    """Reads the end of a text in one call and token by token.

    Args:
        context: is emptied.
        text: token ids, more than are compared.
        compared: how many at its end.
    """
    tokens: NDArray[np.int64] = np.asarray(text, dtype=np.int64)
    behind, end = tokens[:-compared], tokens[-compared:]
    context.cached.truncate(0)
    context.run(behind)
    together = context.run(end, compared).copy()
    context.cached.truncate(0)
    context.run(behind)
    singly = np.concatenate([context.run(end[place : place + 1]).copy() for place in range(compared)])
    context.cached.truncate(0)
    return Divergence(
        largest=float(np.abs(together - singly).max()),
        changed=int((together.argmax(axis=1) != singly.argmax(axis=1)).sum()),
        compared=compared,
    )
