"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class EngineError(Cg2Error):
    """A model that cannot be opened or run, or a request that it cannot serve."""


class RequestError(EngineError):
    """A request that the engine cannot serve; it serves others."""


class RunError(EngineError):
    """ONNX Runtime failed in the middle of a request."""


def never() -> bool:
    """The stop callback of a request that nobody cancels."""
    return False


Ending = Literal["", "stop token", "length", "context full", "time", "cancelled"]
"""Why an answer ended: the model said so, `max_tokens`, no room left, its time box, its stop callback. Empty
while it goes on, and where its iterator was closed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion.

    Attributes:
        prompt: token ids, at least one and at most the context length - 1.
        forced: bytes the answer must begin with (token healing): the prompt was backed up to a token
            boundary, and these are the bytes that were taken off. An answer cut short by `max_tokens` or
            the context may hold only the beginning of them.
        max_tokens: most tokens to generate, healing included.
        temperature: 0 for the likeliest token every time; else the divisor of the logits.
        top_p: mass of the nucleus sampled from (Holtzman et al. 2020), in (0, 1]; unused at temperature 0.
        seed: of the sampler; the same request with the same seed gives the same answer.
        prior: what else is known about the answer; it takes part in every choice and in `Step.logprob`.
        guess: tokens the answer probably begins with, as the rest of a suggestion that is being typed, or
            what a time box let through. They may save time and never change the answer.
        total_ms: the answer ends before the call of the graph that would exceed this; None for no limit.
            It counts from the first use of the iterator. What was read stays read: the same prompt again
            goes on from there.
        past_end: generate on after stop tokens, as a measurement of a fixed length needs.
    """

    prompt: Sequence[int]
    forced: bytes = b""
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    prior: Prior | None = None
    guess: Sequence[int] = ()
    total_ms: float | None = None
    past_end: bool = False

    def __post_init__(self) -> None:
        if not len(self.prompt):
            raise RequestError("The prompt is empty; it needs at least one token.")
        if self.max_tokens < 1:
            raise RequestError(f"max_tokens is {self.max_tokens}, but must be at least 1.")
        if not 0 <= self.temperature < float("inf"):
            raise RequestError(f"temperature is {self.temperature}, but must be 0 or more.")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top_p is {self.top_p}, but must be above 0 and at most 1.")
        if self.total_ms is not None and not self.total_ms > 0:
            raise RequestError(f"total_ms is {self.total_ms}, but must be above 0.")


@dataclass(frozen=True, slots=True)
class Step:
    """One generated token.

    Attributes:
        token: its id; never a stop id, unless the request goes past the end.
        data: its bytes, perhaps a part of a character.
        logprob: its log-probability in nats, at temperature 1 and before any healing mask: the model's own,
            or what the request's prior made of it.
    """

    token: int
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What the last request cost; all times in milliseconds of wall time.

    Attributes:
        prompt_tokens: length of the prompt.
        reused_tokens: how many of them were in the cache already.
        prefill_ms: reading the rest of the prompt.
        first_token_ms: from the start to the first token, prefill included; 0 if there was none.
        decode_ms: inside the engine after the first token; the caller's time between tokens is left out.
        decode_runtime_ms: the part of `decode_ms` spent in ONNX Runtime.
        generated: tokens yielded.
        decode_calls: calls of the graph after the prompt was read.
        drafted: tokens proposed by drafts.
        accepted: how many of them were what would have been generated anyway.
        ended: why the answer ended.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0
    decode_ms: float = 0.0
    decode_runtime_ms: float = 0.0
    generated: int = 0
    decode_calls: int = 0
    drafted: int = 0
    accepted: int = 0
    ended: Ending = ""


DEFAULT_MAX_CONTEXTS = 4
"""Documents that someone goes back and forth between, as a rule; more cost memory and little else."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of an open model, all of them optional.

    Attributes:
        contexts: documents whose text may stay read at once, at least 1.
        memory_mb: most that weights and contexts may take, in 10^6 bytes; None for no limit. Fewer contexts
            are made where they would not fit.
        idle_s: seconds without a request after which the model's memory is freed until the next; None for
            never.
        drafts: whether drafts are used; None where they cannot change an answer (`independent_rows`).
        draft_model: folder of a smaller model with the same tokenizer that drafts, too; None for none.
        cuda_graph: whether CUDA replays recorded decode steps, which saves their launches.
    """

    contexts: int = DEFAULT_MAX_CONTEXTS
    memory_mb: float | None = None
    idle_s: float | None = None
    drafts: bool | None = None
    draft_model: Path | None = None
    cuda_graph: bool = True

    def __post_init__(self) -> None:
        if self.contexts < 1:
            raise EngineError(f"contexts is {self.contexts}, but must be at least 1.")
        for name in ("memory_mb", "idle_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise EngineError(f"{name} is {value}, but must be above 0.")


class Prior(Protocol):
    """Evidence about one request's answer, such as what the open repository's own text says.

    A prior is bound to the text in front of the answer, which is the document's left of where the prompt
    ends (left of the cursor but for the bytes a request forces). It is asked with the tokens generated since
    and must answer the same question the same way: drafted tokens are asked about before it is known whether
    they are taken, and some are asked about twice.
    """

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next token's distribution after this evidence.

        Args:
            generated: tokens of the answer so far.
            logits: the model's own, float32 [vocab], not normalized; not to be changed, and gone after the call.

        Returns:
            Log-probabilities in nats, float32 [vocab], whose exponentials sum to 1. Tokens are chosen from
            these and reported with them.
        """

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Tokens likely to come next, at most so many, perhaps none.

        A wrong draft costs time and never changes an answer.
        """


class GuardedPrior:
    """A prior that takes no part in an answer any more once it has failed; the model's opinion is left.

    So the engine never sees an exception that is none of its own, and an answer outlives its prior.

    Args:
        prior: to ask.
        vocab_size: token ids are below it.

    Attributes:
        failure: what the prior raised; None while it has not failed.
    """

    def __init__(self, prior: Prior, vocab_size: int) -> None:
        self.failure: Exception | None = None
        self._prior = prior
        self._vocab_size = vocab_size

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Prior`."""
        if self.failure is None:
            try:
                return _distribution(self._prior.mix(generated, logits), logits)
            except Exception as error:
                self.failure = error
        return log_softmax(logits)

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """See `Prior`."""
        if self.failure is None:
            try:
                drafted = [int(token) for token in self._prior.draft(generated, max_tokens)]
                if not all(0 <= token < self._vocab_size for token in drafted):
                    raise ValueError("a prior drafted an id that is no token")
            except Exception as error:
                self.failure = error
            else:
                return drafted
        return ()


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities, in nats, of logits, float32 [vocab]."""
    shifted: NDArray[np.float32] = logits - logits.max()
    shifted -= np.float32(np.log(np.exp(shifted).sum()))
    return shifted


def _distribution(mixed: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a prior gave back, if that can be log-probabilities.

    Raises:
        ValueError: it cannot.
    """
    if mixed.shape != logits.shape or not np.isfinite(mixed.max()):
        raise ValueError("a prior gave no distribution over the tokens")
    return mixed
