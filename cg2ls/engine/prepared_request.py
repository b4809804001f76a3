"""What one request runs on: its lane and its sources of drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.model_draft import ModelDraft
from cg2ls.engine.request import RequestError
from cg2ls.engine.sequence import TokenSequence
from cg2ls.engine.speculative import Drafter, DraftHint, DraftLengthPolicy, NgramProposer, PriorDraft, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
        most: tokens the answer may have.
        chunk: most tokens per call while reading.
    """

    request: Request
    prompt: NDArray[np.int64]
    most: int
    chunk: int

    @classmethod
    def of(cls, request: Request, model: ModelDescription, chunk: int) -> PreparedRequest:
        """Checks a request.

        Raises:
            RequestError: the prompt is too long, or has an id that is no token.
        """
        prompt = _checked(request.prompt, model)
        return cls(request, prompt, min(request.max_tokens, model.context_length - len(prompt)), chunk)

    def sequence(self, runtime: ModelRunner) -> TokenSequence:
        """The prompt in the context that knows most of it."""
        forward = runtime.contexts.take(self.prompt)
        return TokenSequence(forward, self.prompt, chunk=self.chunk, costs=runtime.costs)

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


def _checked(tokens: Sequence[int], model: ModelDescription) -> NDArray[np.int64]:
    prompt = np.asarray(tokens, dtype=np.int64)
    if len(prompt) >= model.context_length:
        raise RequestError(
            f"The prompt has {len(prompt)} tokens, but {model.name} takes {model.context_length - 1} at most."
        )
    if prompt.min() < 0 or prompt.max() >= model.architecture.vocab_size:
        raise RequestError(f"The prompt has a token id outside of {model.name}'s vocabulary.")
    return prompt
