"""One context: what it has read, and reading more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.kv_cache import CachedTokens, KvBuffers
from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.engine.io_binding import IOBinding


class RunError(EngineError):
    """ONNX Runtime failed in the middle of a request."""


class KVContext:
    """Runs the graph over tokens that follow what one context has cached.

    Args:
        calls: runs the graph on the buffers.
        buffers: the context's keys and values.
    """

    def __init__(self, calls: IOBinding, buffers: KvBuffers) -> None:
        self.buffers = buffers
        self.cached = CachedTokens(buffers.length)
        self._calls = calls

    def run(self, tokens: NDArray[np.int64], rows: int = 1) -> NDArray[np.float32]:
        """Runs tokens that follow the cached ones.

        Args:
            tokens: int64 [count], at least one, within the buffers' length.
            rows: of how many of the last tokens the logits are wanted, at most `MOST_ROWS`.

        Returns:
            Logits after each of these tokens, float32 [rows, vocab]; overwritten by the next call.

        Raises:
            RunError: ONNX Runtime failed; the cache holds what it held before.
        """
        try:
            logits = self._calls.run(tokens, rows, self.cached.length + len(tokens))
        except Exception as error:  # the runtime raises its own, undocumented classes
            raise RunError(f"The model could not be run: {first_line(error)}") from None
        self.cached.append(tokens)
        return logits.astype(np.float32, copy=False)

    def adopt(self, other: KVContext, length: int) -> None:
        """Takes over another context's first tokens, where that is cheaper than reading them again."""
        if self.buffers.copy_from(other.buffers, length):
            self.cached.truncate(0)
            self.cached.append(other.cached.tokens[:length])


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the runtime's status prefix."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(" : ")[-1].rstrip(".") + "."
