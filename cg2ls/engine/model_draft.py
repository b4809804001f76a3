"""A smaller model that drafts for a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.model_runner import ModelRunner


class ModelDraft:
    """The smaller model's likeliest continuation, token by token, with a cache of its own.

    Args:
        runtime: the smaller model.
        prompt: of the answer, int64 [count]; only its end is read where it exceeds the smaller context.
        chunk: most tokens per call while reading.
        most: tokens the answer may have.
    """

    name = "model"

    def __init__(self, runtime: ModelRunner, prompt: NDArray[np.int64], *, chunk: int, most: int) -> None:
        room = runtime.model.context_length - most - 1
        self._prompt = prompt[-room:] if room > 0 else prompt[:0]
        self._runtime = runtime
        self._chunk = chunk
        self._forward = runtime.contexts.take(self._prompt) if room > 0 else None
        self.cost = runtime.costs.seconds(1)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """See `drafting.Source`. Nothing before the first token: it must not wait for a second reader."""
        if self._forward is None or not generated:
            return ()
        forward = self._forward
        known = np.concatenate([self._prompt, np.asarray(generated, dtype=np.int64)])
        start = min(forward.cached.common_prefix(known), len(known) - 1)
        forward.cached.truncate(start)
        for chunk in range(start, len(known), self._chunk):
            logits = forward.run(known[chunk : chunk + self._chunk])
        drafted = [int(logits[0].argmax())]
        while len(drafted) < most:
            logits = forward.run(np.array(drafted[-1:], dtype=np.int64))
            drafted.append(int(logits[0].argmax()))
        return drafted
