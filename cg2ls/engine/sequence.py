"""A prompt and the answer behind it, in one context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.request import RequestError
from cg2ls.engine.speculative import (
    Drafter,
    DraftHint,
    DraftLengthPolicy,
    DraftSource,
    ModelDraft,
    NgramProposer,
    PriorDraft,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.kv_cache_pool import KVContext
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Request
    from cg2ls.models.folder.description import ModelDescription

ShouldContinue = Callable[[int], bool]
"""Whether a call of so many tokens may still be made; asked before each."""


class TokenSequence:
    """A prompt and the answer behind it, in one context.

    Args:
        context: the context.
        prompt: token ids, int64 [count].
        chunk: most tokens per call while reading.
        costs: learns what calls take.

    Attributes:
        context: the context.
    """

    def __init__(
        self, context: KVContext, prompt: NDArray[np.int64], *, chunk: int, costs: CallCosts
    ) -> None:
        self._reused = 0
        self._runtime_s = 0.0
        self.context = context
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

    def read(
        self, answer: Sequence[int], draft: Sequence[int], should_continue: ShouldContinue
    ) -> NDArray[np.float32] | None:
        """Reads the prompt, the answer so far and a draft behind it, as far as they are not cached.

        The last known token always runs, since its logits are what the answer goes on from.

        Returns:
            Logits after the answer so far and after each drafted token, float32 [1 + draft, vocab]; None if
            it was stopped on the way. What was read until then stays cached.
        """
        context = self.context
        known = np.concatenate([self._prompt, np.asarray(answer, dtype=np.int64)])
        start = min(context.cached.count_common_prefix(known), len(known) - 1)
        context.cached.truncate(start)
        self._reused = min(start, len(self._prompt))
        while len(known) - start > self._chunk:
            if not should_continue(self._chunk):
                return None
            self._run(known[start : start + self._chunk], 1)
            start += self._chunk
        last = np.concatenate([known[start:], np.asarray(draft, dtype=np.int64)])
        return self._run(last, 1 + len(draft)) if should_continue(len(last)) else None

    def extend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Reads some more; logits after each token, float32 [tokens, vocab]."""
        return self._run(np.asarray(tokens, dtype=np.int64), len(tokens))

    def keep(self, answer_tokens: int) -> None:
        """Forgets what lies behind so many tokens of the answer."""
        self.context.cached.truncate(len(self._prompt) + answer_tokens)

    def _run(self, tokens: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        began = perf_counter()
        logits = self.context.run(tokens, rows)
        seconds = perf_counter() - began
        self._runtime_s += seconds
        self._costs.note(len(tokens), seconds)
        return logits


NGRAM_LENGTHS = (4, 2)
"""How many last tokens prompt lookup searches for, the surer first."""


@dataclass(frozen=True)
class PreparedRequest:
    """A request that fits the model.

    Attributes:
        request: what is asked.
        prompt: its token ids, int64 [count].
        max_tokens: tokens the answer may have.
        chunk: most tokens per call while reading.
    """

    request: Request
    prompt: NDArray[np.int64]
    max_tokens: int
    chunk: int

    @classmethod
    def of(cls, request: Request, model: ModelDescription, chunk: int) -> PreparedRequest:
        """Checks a request.

        Raises:
            RequestError: the prompt is too long, or has an id that is no token.
        """
        prompt = _checked(request.prompt, model)
        return cls(request, prompt, min(request.max_tokens, model.context_length - len(prompt)), chunk)

    def new_sequence(self, runner: ModelRunner) -> TokenSequence:
        """The prompt in the context that knows most of it."""
        context = runner.contexts.take(self.prompt)
        return TokenSequence(context, self.prompt, chunk=self.chunk, costs=runner.costs)

    def new_drafter(self, policy: DraftLengthPolicy, smaller: ModelRunner | None) -> Drafter:
        """Sources of drafts, the surest kind first.

        Args:
            policy: how long drafts should be.
            smaller: a model that drafts; None for none.
        """
        request, guess = self.request, np.asarray(self.request.guess, dtype=np.int64)
        sources: list[DraftSource] = [DraftHint(request.guess)] if len(guess) else []
        if request.prior is not None:
            sources.append(PriorDraft(request.prior))
        text = np.concatenate([guess, self.prompt])
        sources += [NgramProposer(text, self.max_tokens, length) for length in NGRAM_LENGTHS]
        if smaller is not None:
            sources.append(ModelDraft(smaller, self.prompt, chunk=self.chunk, max_tokens=self.max_tokens))
        return Drafter(sources, policy)


def _checked(tokens: Sequence[int], model: ModelDescription) -> NDArray[np.int64]:
    prompt = np.asarray(tokens, dtype=np.int64)
    if len(prompt) >= model.context_length:
        raise RequestError(
            f"The prompt has {len(prompt)} tokens, but {model.name} takes {model.context_length - 1} at most."
        )
    if prompt.min() < 0 or prompt.max() >= model.architecture.vocab_size:
        raise RequestError(f"The prompt has a token id outside of {model.name}'s vocabulary.")
    return prompt
