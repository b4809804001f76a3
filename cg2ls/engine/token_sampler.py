"""From logits to the next step of one answer: healing, prior, sampling, stop tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.forced_start import ByteIndex, ForcedStart
from cg2ls.engine.request import Request, RequestError, Step
from cg2ls.engine.sampling import LogSoftmax, Sampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cg2ls.models.codegen2.special_tokens import SpecialTokens


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What choosing needs to know of a model's tokens.

    Attributes:
        model: its name, for errors.
        token_bytes: the bytes of every token by id.
        index: the same, sorted.
        special: which tokens end an answer.
    """

    model: str
    token_bytes: Sequence[bytes]
    index: ByteIndex
    special: SpecialTokens


class TokenSampler:
    """Chooses one answer's tokens, one after the other.

    Args:
        vocabulary: of the model.
        request: how to choose.
        seed: of the sampler; the request's own if None.

    Attributes:
        generated: the tokens chosen so far; a stop token is not among them.
    """

    def __init__(self, vocabulary: Vocabulary, request: Request, seed: int | None = None) -> None:
        self.generated: list[int] = []
        self._vocabulary = vocabulary
        self._prior = request.prior
        self._log_softmax = LogSoftmax(vocabulary.special.vocab_size)
        self._past_end = request.past_end
        self._sampler = Sampler(request.temperature, request.top_p, request.seed if seed is None else seed)
        self._forced = ForcedStart(vocabulary.index, request.forced)

    @property
    def is_healing(self) -> bool:
        """Whether forced bytes are still open."""
        return self._forced.is_open

    def choose(self, logits: NDArray[np.float32]) -> Step | None:
        """The next step; None if the answer ends here.

        Args:
            logits: after the tokens generated so far, float32 [vocab].

        Raises:
            RequestError: no token has the forced bytes, or the logits are not finite, which depends on the prompt.
        """
        name = self._vocabulary.model
        scores = logits if self._prior is None else self._prior.mix(self.generated, logits)
        allowed = self._forced.allowed()
        if allowed is not None and not len(allowed):
            raise RequestError(f"{name} has no token for the bytes the answer must begin with.")
        token = self._sampler.pick(scores, allowed)
        logprob = self._log_softmax.at(logits, token) if self._prior is None else float(scores[token])
        if not math.isfinite(logprob):
            raise RequestError(f"{name} computes no finite numbers; convert the model again.")
        if self._vocabulary.special.is_stop(token) and not self._past_end:
            return None
        data = self._vocabulary.token_bytes[token]
        self._forced.take(data)
        self.generated.append(token)
        return Step(token, data, logprob)
