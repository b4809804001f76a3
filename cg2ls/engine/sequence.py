"""The tokens of one request in a context, and the request prepared for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.request import RequestError, RunError
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
"""Whether a call of this number of tokens may be made; called before each."""


READ_AHEAD_CHUNK = 64
"""Tokens per call while reading ahead: a request that comes meanwhile waits for half of a usual call. A model whose
results depend on the calls keeps the usual ones."""


class TokenSequence:
    """A prompt and its answer, in one context.

    Args:
        context: the context.
        prompt: token ids, int64 [count].
        stable: number of leading tokens that the prefill graph reads, where there is one; the last token of the prompt
            is never among them.
        chunk: maximum tokens per call while reading.
        costs: receives the durations of calls.

    Attributes:
        context: the context.
    """

    def __init__(
        self,
        context: KVContext,
        prompt: NDArray[np.int64],
        *,
        stable: int = 0,
        chunk: int,
        costs: CallCosts,
    ) -> None:
        self._reused = 0
        self._runtime_s = 0.0
        self.context = context
        self._prompt = prompt
        self._stable = min(stable, len(prompt) - 1) if context.has_prefill else 0
        self._chunk = chunk
        self._costs = costs

    @property
    def reused(self) -> int:
        """Number of prompt tokens that were cached when the prompt was read."""
        return self._reused

    @property
    def runtime_s(self) -> float:
        """Seconds spent in the graph so far."""
        return self._runtime_s

    def read(
        self, answer: Sequence[int], draft: Sequence[int], should_continue: ShouldContinue
    ) -> NDArray[np.float32] | None:
        """Read the prompt, the answer so far and a draft after it, except for what is cached.

        The last known token is always read, since the next token is chosen from its logits.

        Returns:
            Logits after the answer so far and after each drafted token, float32 [1 + draft, vocab]; None if
            `should_continue` returned False. The tokens read until then stay cached.
        """
        context = self.context
        known = np.concatenate([self._prompt, np.asarray(answer, dtype=np.int64)])
        start = min(context.cached.count_reusable(known, self._stable), len(known) - 1)
        context.cached.truncate(start)
        self._reused = min(start, len(self._prompt))
        while (end := self._call_end(start, len(known))) < len(known):
            if not should_continue(end - start):
                return None
            self._read(known[start:end])
            start = end
        last = np.concatenate([known[start:], np.asarray(draft, dtype=np.int64)])
        return self._run(last, 1 + len(draft)) if should_continue(len(last)) else None

    def read_prompt(self, should_continue: ShouldContinue, options: Any) -> int:
        """Read what is not cached of the prompt, in calls of the chunk's length; return the number of tokens read.

        The last token is left out: it is read with the first one of the answer, from whose logits that one comes.

        Args:
            should_continue: called before each call.
            options: ONNX Runtime's options of the calls. Reading ends within a call if they terminate it.
        """
        cached, end = self.context.cached, len(self._prompt) - 1
        start = first = min(cached.count_reusable(self._prompt, self._stable), end)
        if start < end:
            cached.truncate(start)
        while start < end and should_continue((stop := self._call_end(start, end)) - start):
            try:
                self._read(self._prompt[start:stop], options)
            except RunError:
                if options.terminate:
                    break
                raise
            start = stop
        return start - first

    def _call_end(self, start: int, end: int) -> int:
        """Return where a call ends that reads tokens from `start` on; one graph reads all of them."""
        return min(start + self._chunk, self._stable if start < self._stable else end)

    def extend(self, tokens: Sequence[int], rows: int | None = None) -> NDArray[np.float32]:
        """Read more tokens; return the logits after the last `rows` of them, float32 [rows, vocab].

        Args:
            tokens: tokens that follow what was read.
            rows: number of logits, at most `MAX_LOGIT_ROWS`; None for those after each token.
        """
        return self._run(np.asarray(tokens, dtype=np.int64), len(tokens) if rows is None else rows)

    def truncate_answer(self, answer_tokens: int) -> None:
        """Drop everything after this number of answer tokens."""
        self.context.cached.truncate(len(self._prompt) + answer_tokens)

    def _read(self, tokens: NDArray[np.int64], options: Any = None) -> None:
        """Read a part of the prompt or of what follows it, with the graph that reads this part."""
        if self.context.cached.length >= self._stable:
            self._run(tokens, 1, options)
            return
        began = perf_counter()
        self.context.prefill(tokens, options)
        seconds = perf_counter() - began
        self._runtime_s += seconds
        if len(tokens) == self._chunk:
            self._costs.note(len(tokens), seconds)

    def _run(self, tokens: NDArray[np.int64], rows: int, options: Any = None) -> NDArray[np.float32]:
        began = perf_counter()
        logits = self.context.run(tokens, rows, options)
        seconds = perf_counter() - began
        self._runtime_s += seconds
        self._costs.note(len(tokens), seconds)
        return logits


NGRAM_LENGTHS = (4, 2)
"""Numbers of last tokens that must match for a draft by n-gram, the most reliable first."""


@dataclass(frozen=True)
class PreparedRequest:
    """A request that was checked against the model.

    Attributes:
        request: the request.
        prompt: token ids of the prompt, int64 [count].
        max_tokens: maximum length of the answer.
        chunk: maximum tokens per call while reading.
    """

    request: Request
    prompt: NDArray[np.int64]
    max_tokens: int
    chunk: int

    @classmethod
    def of(cls, request: Request, model: ModelDescription, chunk: int) -> PreparedRequest:
        """Check a request against a model.

        Raises:
            RequestError: the prompt is too long, or has an id outside of the vocabulary.
        """
        prompt = _checked(request.prompt, model)
        return cls(request, prompt, min(request.max_tokens, model.context_length - len(prompt)), chunk)

    def new_sequence(self, runner: ModelRunner) -> TokenSequence:
        """Put the prompt in the context with the longest common prefix."""
        context = runner.contexts.take(self.prompt)
        return self._sequence(context, runner)

    def new_sequence_ahead(self, runner: ModelRunner) -> TokenSequence:
        """Put the prompt in a context where it replaces few of the last request's tokens."""
        context = runner.contexts.take_ahead(self.prompt)
        return self._sequence(context, runner)

    def new_sequence_beside(self, runner: ModelRunner, kept: PreparedRequest) -> TokenSequence | None:
        """Put the prompt in a context other than that of another request, whose cache stays as it is.

        Returns:
            None if there is only one context.
        """
        context = runner.contexts.take_beside(self.prompt, kept.prompt)
        if context is None:
            return None
        return self._sequence(context, runner)

    def _sequence(self, context: KVContext, runner: ModelRunner) -> TokenSequence:
        return TokenSequence(
            context, self.prompt, stable=self.request.stable, chunk=self.chunk, costs=runner.costs
        )

    def new_drafter(self, policy: DraftLengthPolicy, smaller: ModelRunner | None) -> Drafter:
        """Collect the sources of drafts, the most reliable first.

        Args:
            policy: decides the length of drafts.
            smaller: a smaller model that drafts; None for none.
        """
        request, hint = self.request, np.asarray(self.request.draft_hint, dtype=np.int64)
        sources: list[DraftSource] = [DraftHint(request.draft_hint)] if len(hint) else []
        if request.prior is not None:
            sources.append(PriorDraft(request.prior))
        text = np.concatenate([hint, self.prompt])
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
