"""Token healing: an answer that must begin with given bytes, whatever tokens spell them.

A prompt that ends inside a word ends in a token the model never saw there. So the prompt is backed up to
an earlier token boundary, and the bytes taken off are forced upon the answer: at each step only tokens
that agree with the bytes still open may be chosen.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class ByteIndex:
    """The vocabulary sorted by bytes; tokens without bytes (special and unused ones) are left out.

    Args:
        token_bytes: the bytes of every token by id.
    """

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        ordered = sorted(
            (token for token, data in enumerate(token_bytes) if data), key=token_bytes.__getitem__
        )
        self._bytes = [token_bytes[token] for token in ordered]
        self._tokens: NDArray[np.int64] = np.array(ordered, dtype=np.int64)
        self._longest = max(map(len, self._bytes), default=0)

    def starting_with(self, start: bytes) -> NDArray[np.int64]:
        """Tokens whose bytes start with `start`."""
        low = bisect_left(self._bytes, start)
        end = _successor(start)
        high = len(self._bytes) if end is None else bisect_left(self._bytes, end, lo=low)
        return self._tokens[low:high]

    def agreeing_with(self, forced: bytes) -> NDArray[np.int64]:
        """Tokens that may come next: those that start with `forced`, and those that it starts with."""
        parts = [self.starting_with(forced)]
        for length in range(1, min(len(forced), self._longest + 1)):
            low = bisect_left(self._bytes, forced[:length])
            high = bisect_left(self._bytes, forced[:length] + b"\0", lo=low)
            if high > low:
                parts.append(self._tokens[low:high])
        return np.concatenate(parts)


class ForcedStart:
    """The bytes that an answer still has to begin with."""

    def __init__(self, index: ByteIndex, forced: bytes) -> None:
        self._index = index
        self._open = forced

    @property
    def is_open(self) -> bool:
        """Whether there are any."""
        return bool(self._open)

    def allowed(self) -> NDArray[np.int64] | None:
        """Ids that may come next, perhaps none; None when every token may."""
        return self._index.agreeing_with(self._open) if self._open else None

    def take(self, data: bytes) -> None:
        """Notes the bytes of the token that was chosen from `allowed`."""
        self._open = self._open[len(data) :]


def _successor(start: bytes) -> bytes | None:
    """The least byte string above every one that starts with `start`; None if there is none."""
    stripped = start.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
