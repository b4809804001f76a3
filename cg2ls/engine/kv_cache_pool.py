"""A few contexts for many documents: whoever comes back finds what was read of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.kv_cache import CachedTokens, KvBuffers
from cg2ls.engine.onnx_session import first_line
from cg2ls.engine.request import EngineError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cg2ls.engine.io_binding import IOBinding


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


SAME_TEXT = 0.5
"""Share of what a context holds, or of the prompt, that must agree for the prompt to continue that context.
Below it the prompt is another text, and taking the context would throw a document's cache away."""


class KVCachePool:
    """Contexts in the order they were last used, made when needed.

    Args:
        make: makes an empty one; raises EngineError where there is no memory for it.
        most: how many there may be, at least 1.
    """

    def __init__(self, make: Callable[[], KVContext], most: int) -> None:
        self._make = make
        self.most = most
        self._by_age = [make()]

    def __len__(self) -> int:
        return len(self._by_age)

    @property
    def newest(self) -> KVContext:
        """The one used last."""
        return self._by_age[-1]

    def take(self, prompt: NDArray[np.int64]) -> KVContext:
        """The context to run a prompt in, which thereby becomes the newest.

        It is the one that shares the longest prefix with the prompt. If that is another text's, an empty
        one or the one unused for longest takes its place, and starts with the shared prefix where it can be
        copied.

        Args:
            prompt: token ids, int64 [count].
        """
        shared = {id(context): context.cached.common_prefix(prompt) for context in self._by_age}
        best = max(reversed(self._by_age), key=lambda context: shared[id(context)])
        if _continues(best, shared[id(best)], len(prompt)):
            return self._used(best)
        empty = next((context for context in self._by_age if not context.cached.length), None)
        taken = empty or self._another() or self._by_age[0]
        if taken is not best:
            taken.adopt(best, shared[id(best)])
        return self._used(taken)

    def _another(self) -> KVContext | None:
        """One more, unless there are enough or the memory is full."""
        if len(self._by_age) >= self.most:
            return None
        try:
            made = self._make()
        except EngineError:
            self.most = len(self._by_age)
            return None
        self._by_age.append(made)
        return made

    def _used(self, context: KVContext) -> KVContext:
        self._by_age.remove(context)
        self._by_age.append(context)
        return context


def _continues(context: KVContext, shared: int, prompt_tokens: int) -> bool:
    return shared >= SAME_TEXT * min(context.cached.length, prompt_tokens) > 0
