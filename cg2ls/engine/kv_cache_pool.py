"""Pool of KV caches, reused by longest common prefix."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.kv_cache import CachedTokens, KVBuffers
from cg2ls.engine.onnx_session import first_line
from cg2ls.engine.request import EngineError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.io_binding import IOBinding, PrefillBinding


class KVContext:
    """One KV cache and the calls of the graph that extend it.

    Args:
        binding: runs the graph on the buffers.
        buffers: keys and values of the context.
        prefill: runs the prefill graph on the same buffers; None where there is none.
    """

    def __init__(self, binding: IOBinding, buffers: KVBuffers, prefill: PrefillBinding | None = None) -> None:
        self.buffers = buffers
        self.cached = CachedTokens(buffers.length)
        self._binding = binding
        self._prefill = prefill

    @property
    def has_prefill(self) -> bool:
        """Return whether there is a prefill graph."""
        return self._prefill is not None

    def run(self, tokens: NDArray[np.int64], rows: int = 1, options: Any = None) -> NDArray[np.float32]:
        """Run tokens that follow the cached ones.

        Args:
            tokens: int64 [count], at least one, within the buffers' length.
            rows: number of logits, those after the last tokens; at most `MAX_LOGIT_ROWS`.
            options: ONNX Runtime's options of the call; see `IOBinding.run`.

        Returns:
            Logits float32 [rows, vocab]; overwritten by the next call.

        Raises:
            RunError: ONNX Runtime failed, or the call was ended by its options; the cache is unchanged.
        """
        with _run_errors():
            logits = self._binding.run(tokens, rows, self.cached.length + len(tokens), options)
        self.cached.append(tokens)
        return logits.astype(np.float32, copy=False)

    def prefill(self, tokens: NDArray[np.int64], options: Any = None) -> None:
        """Run tokens that follow the cached ones with the prefill graph, which gives no logits.

        Args:
            tokens: int64 [count], at least one, within the buffers' length.
            options: ONNX Runtime's options of the call; see `IOBinding.run`.

        Raises:
            RunError: see `run`.
        """
        assert self._prefill is not None, "ask `has_prefill` first"
        with _run_errors():
            self._prefill.run(tokens, self.cached.length + len(tokens), options)
        self.cached.append(tokens, prefilled=True)

    def copy_prefix_from(self, other: KVContext, length: int) -> None:
        """Copy another context's first tokens where the memory allows, which is cheaper than reading them again."""
        if self.buffers.copy_from(other.buffers, length):
            self.cached.truncate(0)
            prefilled = min(length, other.cached.prefilled)
            self.cached.append(other.cached.tokens[:prefilled], prefilled=True)
            self.cached.append(other.cached.tokens[prefilled:length])


@contextmanager
def _run_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime raises its own, undocumented classes
        raise RunError(f"The model could not be run: {first_line(error)}") from None


MIN_SHARED_SHARE = 0.5
"""Share of a context's tokens, or of the prompt's, that must agree for the prompt to continue that context.
With less the prompt is another text, and its use of the context would discard a document's cache."""


MAX_DISPLACED_TOKENS = 128
"""Tokens of the last request's context that reading ahead may displace: about an answer and its continuation."""


class KVCachePool:
    """Pool of contexts, ordered by last use and made on demand.

    Args:
        make: makes an empty context; raises EngineError where the memory is not sufficient.
        max_contexts: maximum number of contexts, at least 1.
    """

    def __init__(self, make: Callable[[], KVContext], max_contexts: int) -> None:
        self._make = make
        self.max_contexts = max_contexts
        self._by_last_use = [make()]

    def __len__(self) -> int:
        return len(self._by_last_use)

    @property
    def newest(self) -> KVContext:
        """Context that was used last."""
        return self._by_last_use[-1]

    def take(self, prompt: NDArray[np.int64]) -> KVContext:
        """Return the context to run a prompt in; it becomes the newest.

        This is the context with the longest common prefix. If that one holds another text, an empty context or the
        least recently used one is taken instead. It starts with a copy of the common prefix where possible.

        Args:
            prompt: token ids, int64 [count].
        """
        taken = self._take(prompt, self._by_last_use)
        assert taken is not None
        return taken

    def take_ahead(self, prompt: NDArray[np.int64]) -> KVContext:
        """Return the context in which to read a prompt ahead of its request; it becomes the newest.

        This is the one of `take`, unless the context that was used last would lose more than `MAX_DISPLACED_TOKENS`
        tokens: the next request will probably continue there. Then another one starts with a copy of the common prefix.

        Args:
            prompt: token ids, int64 [count].
        """
        cached = self.newest.cached
        if cached.length - cached.count_common_prefix(prompt) > MAX_DISPLACED_TOKENS:
            others = [context for context in self._by_last_use if context is not self.newest]
            if (taken := self._take(prompt, others)) is not None:
                return taken
        return self.take(prompt)

    def take_beside(self, prompt: NDArray[np.int64], kept: NDArray[np.int64]) -> KVContext | None:
        """Return a context to run a prompt in, other than the one that another prompt uses.

        Args:
            prompt: token ids, int64 [count].
            kept: token ids of the other prompt, int64 [count]; its context stays as it is.

        Returns:
            None if there is no other context, and no memory for one.
        """
        spared = self._best(kept, self._by_last_use)
        return self._take(prompt, [context for context in self._by_last_use if context is not spared])

    def _take(self, prompt: NDArray[np.int64], among: Sequence[KVContext]) -> KVContext | None:
        """Take a context among some of them, or a new one; see `take`."""
        if among:
            best = self._best(prompt, among)
            if _continues(best, best.cached.count_common_prefix(prompt), len(prompt)):
                return self._used(best)
        empty = next((context for context in among if not context.cached.length), None)
        taken = empty or self._another() or (among[0] if among else None)
        if taken is None:
            return None
        source = self._best(prompt, self._by_last_use)
        if taken is not source:
            taken.copy_prefix_from(source, source.cached.count_common_prefix(prompt))
        return self._used(taken)

    @staticmethod
    def _best(prompt: NDArray[np.int64], among: Sequence[KVContext]) -> KVContext:
        """Return the context with the longest common prefix, the last used of equal ones."""
        return max(reversed(among), key=lambda context: context.cached.count_common_prefix(prompt))

    def _another(self) -> KVContext | None:
        """Make one more context; None at the maximum or without memory."""
        if len(self._by_last_use) >= self.max_contexts:
            return None
        try:
            made = self._make()
        except EngineError:
            self.max_contexts = len(self._by_last_use)
            return None
        self._by_last_use.append(made)
        return made

    def _used(self, context: KVContext) -> KVContext:
        self._by_last_use.remove(context)
        self._by_last_use.append(context)
        return context


def _continues(context: KVContext, shared: int, prompt_tokens: int) -> bool:
    return shared >= MIN_SHARED_SHARE * min(context.cached.length, prompt_tokens) > 0
