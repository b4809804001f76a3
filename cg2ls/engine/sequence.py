"""A prompt and the answer behind it, in one context."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.kv_context import KVContext

GoOn = Callable[[int], bool]
"""Whether a call of so many tokens may still be made; asked before each."""


class TokenSequence:
    """A prompt and the answer behind it, in one context.

    Args:
        forward: the context.
        prompt: token ids, int64 [count].
        chunk: most tokens per call while reading.
        costs: learns what calls take.

    Attributes:
        forward: the context.
    """

    def __init__(
        self, forward: KVContext, prompt: NDArray[np.int64], *, chunk: int, costs: CallCosts
    ) -> None:
        self._reused = 0
        self._runtime_s = 0.0
        self.forward = forward
        self._prompt = prompt
        self._chunk = chunk
        self._costs = costs

    @property
    def reused(self) -> int:
        """Tokens of the prompt that were cached when it was read."""
        return self._reused

    @property
    def runtime_s(self) -> float:
        """Seconds spent in the graph so far."""
        return self._runtime_s

    def read(self, answer: Sequence[int], draft: Sequence[int], go_on: GoOn) -> NDArray[np.float32] | None:
        """Reads the prompt, the answer so far and a draft behind it, as far as they are not cached.

        The last known token always runs, since its logits are what the answer goes on from.

        Returns:
            Logits after the answer so far and after each drafted token, float32 [1 + draft, vocab]; None if
            it was stopped on the way. What was read until then stays cached.
        """
        forward = self.forward
        known = np.concatenate([self._prompt, np.asarray(answer, dtype=np.int64)])
        start = min(forward.cached.common_prefix(known), len(known) - 1)
        forward.cached.truncate(start)
        self._reused = min(start, len(self._prompt))
        while len(known) - start > self._chunk:
            if not go_on(self._chunk):
                return None
            self._run(known[start : start + self._chunk], 1)
            start += self._chunk
        last = np.concatenate([known[start:], np.asarray(draft, dtype=np.int64)])
        return self._run(last, 1 + len(draft)) if go_on(len(last)) else None

    def extend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Reads some more; logits after each token, float32 [tokens, vocab]."""
        return self._run(np.asarray(tokens, dtype=np.int64), len(tokens))

    def keep(self, answer_tokens: int) -> None:
        """Forgets what lies behind so many tokens of the answer."""
        self.forward.cached.truncate(len(self._prompt) + answer_tokens)

    def _run(self, tokens: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        began = perf_counter()
        logits = self.forward.run(tokens, rows)
        seconds = perf_counter() - began
        self._runtime_s += seconds
        self._costs.note(len(tokens), seconds)
        return logits
