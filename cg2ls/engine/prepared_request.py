"""What one request runs on: its lane and its sources of drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.model_draft import ModelDraft
from cg2ls.engine.request import RequestError
from cg2ls.engine.sequence import GuidedSequence, SingleSequence, TokenSequence
from cg2ls.engine.speculative import Drafter, DraftHint, DraftLengthPolicy, NgramProposer, PriorDraft, Source

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.kv_context import KVContext
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Request
    from cg2ls.models.folder.description import ModelDescription

LOOKED_UP = (4, 2)
"""How many last tokens prompt lookup searches for, the surer first."""


@dataclass(frozen=True)
class PreparedRequest:
    """A request that fits the model.

    Attributes:
        request: what is asked.
        prompt: its token ids, int64 [count].
        away: those of its guidance; None without.
        most: tokens the answer may have.
        chunk: most tokens per call while reading.
    """

    request: Request
    prompt: NDArray[np.int64]
    away: NDArray[np.int64] | None
    most: int
    chunk: int

    @classmethod
    def of(cls, request: Request, model: ModelDescription, chunk: int) -> PreparedRequest:
        """Checks a request.

        Raises:
            RequestError: a prompt is too long, or has an id that is no token.
        """
        prompt = _checked(request.prompt, model)
        away = None if request.guidance is None else _checked(request.guidance.prompt, model)
        longest = max(len(prompt), 0 if away is None else len(away))
        most = min(request.max_tokens, model.context_length - longest)
        return cls(request, prompt, away, most, chunk)

    def single_sequence(self, runtime: ModelRunner) -> SingleSequence:
        """The prompt in the context that knows most of it."""
        return _sequence(runtime, self.prompt, self.chunk)

    def sequence(self, runtime: ModelRunner) -> TokenSequence:
        """The prompt, and that of the guidance if there is one."""
        toward = self.single_sequence(runtime)
        if self.request.guidance is None or self.away is None:
            return toward
        away = _sequence(runtime, self.away, self.chunk, busy=[toward.forward])
        return GuidedSequence(toward, away, self.request.guidance.scale)

    def drafter(self, policy: DraftLengthPolicy, smaller: ModelRunner | None) -> Drafter:
        """Sources of drafts, the surest kind first.

        Args:
            policy: how long drafts should be.
            smaller: a model that drafts; None for none.
        """
        request, guess = self.request, np.asarray(self.request.guess, dtype=np.int64)
        sources: list[Source] = [DraftHint(request.guess)] if len(guess) else []
        if request.prior is not None:
            sources.append(PriorDraft(request.prior))
        text = np.concatenate([guess, self.prompt])
        sources += [NgramProposer(text, self.most, length) for length in LOOKED_UP]
        if smaller is not None:
            sources.append(ModelDraft(smaller, self.prompt, chunk=self.chunk, most=self.most))
        return Drafter(sources, policy)


def _sequence(
    runtime: ModelRunner, prompt: NDArray[np.int64], chunk: int, busy: Collection[KVContext] = ()
) -> SingleSequence:
    forward = runtime.contexts.take(prompt, busy)
    return SingleSequence(forward, prompt, chunk=chunk, costs=runtime.costs)


def _checked(tokens: Sequence[int], model: ModelDescription) -> NDArray[np.int64]:
    prompt = np.asarray(tokens, dtype=np.int64)
    if len(prompt) >= model.context_length:
        raise RequestError(
            f"The prompt has {len(prompt)} tokens, but {model.name} takes {model.context_length - 1} at most."
        )
    if prompt.min() < 0 or prompt.max() >= model.architecture.vocab_size:
        raise RequestError(f"The prompt has a token id outside of {model.name}'s vocabulary.")
    return prompt
