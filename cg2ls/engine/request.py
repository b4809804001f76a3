"""Input and output types of the engine: requests, steps, options, priors, timing, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class EngineError(Cg2Error):
    """A model that cannot be opened or run, or a request that cannot be answered."""


class RequestError(EngineError):
    """A request that cannot be answered; other requests can."""


class RunError(EngineError):
    """A failure of ONNX Runtime during a request."""


def never() -> bool:
    """Return False, as the stop callback of a request that is never cancelled."""
    return False


Ending = Literal["", "stop token", "length", "context full", "time", "cancelled"]
"""Reason why an answer ended: a stop token, `max_tokens`, a full context, the time limit, the stop callback. Empty
while the answer continues, and after its iterator was closed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion request.

    Attributes:
        prompt: token ids, at least one and at most the context length - 1.
        forced: bytes that the answer must begin with (token healing): the prompt was shortened to a token boundary,
            and these bytes were removed. An answer that ends at `max_tokens` or with a full context may have
            only the first of them.
        max_tokens: maximum tokens to generate, those of token healing included.
        temperature: 0 for the likeliest token; otherwise the divisor of the logits.
        top_p: mass of the nucleus to sample from (Holtzman et al. 2020), in (0, 1]; unused at temperature 0.
        seed: seed of the sampler; the same request with the same seed gives the same answer.
        prior: other evidence about the answer; it takes part in every choice and in `Step.logprob`.
        draft_hint: tokens with which the answer probably begins. They can save time and never change the
            answer. Examples are the rest of a suggestion that the user is typing, or an answer that reached
            its time limit.
        time_limit_ms: time limit from the first use of the iterator; None for no limit. The answer ends before the call
            of the graph that would exceed it. The cache is kept, so the same request again continues from there.
        ignore_stop_tokens: whether to continue after stop tokens, as a measurement of a fixed length needs.
        stable: number of leading prompt tokens that stay while the user types. They are read with the model's prefill
            graph where there is one; it is faster for many tokens and slower for few.
    """

    prompt: Sequence[int]
    forced: bytes = b""
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    prior: Prior | None = None
    draft_hint: Sequence[int] = ()
    time_limit_ms: float | None = None
    ignore_stop_tokens: bool = False
    stable: int = 0

    def __post_init__(self) -> None:
        if not len(self.prompt):
            raise RequestError("The prompt is empty; it needs at least one token.")
        if self.max_tokens < 1:
            raise RequestError(f"max_tokens is {self.max_tokens}, but must be at least 1.")
        if not 0 <= self.stable <= len(self.prompt):
            raise RequestError(f"stable is {self.stable}, but the prompt has {len(self.prompt)} tokens.")
        if not 0 <= self.temperature < float("inf"):
            raise RequestError(f"temperature is {self.temperature}, but must be 0 or more.")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top_p is {self.top_p}, but must be above 0 and at most 1.")
        if self.time_limit_ms is not None and not self.time_limit_ms > 0:
            raise RequestError(f"time_limit_ms is {self.time_limit_ms}, but must be above 0.")


@dataclass(frozen=True, slots=True)
class Step:
    """One generated token.

    Attributes:
        token: id of the token; a stop token only if the request has `ignore_stop_tokens`.
        data: bytes of the token, possibly a part of a character.
        logprob: log-probability in nats, at temperature 1 and before any healing mask: by the model, or by the
            request's prior if it has one.
    """

    token: int
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Costs of the last request; all times are wall times in milliseconds.

    Attributes:
        prompt_tokens: length of the prompt.
        reused_tokens: prompt tokens that were in the cache.
        prefill_ms: time to read the rest of the prompt.
        first_token_ms: time from the start to the first token, prefill included; 0 without a token.
        decode_ms: time inside the engine after the first token, without the caller's time between tokens.
        decode_runtime_ms: part of `decode_ms` that was spent in ONNX Runtime.
        generated: tokens yielded.
        decode_calls: calls of the graph after the prompt was read.
        drafted: tokens proposed by drafts.
        accepted: drafted tokens that became part of the answer.
        ended: reason why the answer ended.
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
"""Number of documents between which a user typically switches; more contexts mainly cost memory."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of an open model.

    Attributes:
        contexts: maximum number of contexts, which is the number of documents with a cache; at least 1.
        memory_mb: limit of weights and contexts together, in 10^6 bytes; None for no limit. The limit may reduce the
            number of contexts.
        idle_s: seconds without a request after which the model's memory is freed until the next one; None for never.
        drafts: whether drafts are used; None to use them where they cannot change an answer (`independent_rows`).
        draft_model: folder of a smaller model with the same tokenizer as a further source of drafts; None for that of a
            stored pair that pays on this machine (`DraftPair`), if there is one.
        cuda_graph: whether CUDA replays recorded decode steps, which saves launches.
        prefill_graph: whether prompts are read with the folder's prefill graph, if it has one; None where the processor
            makes that faster.
    """

    contexts: int = DEFAULT_MAX_CONTEXTS
    memory_mb: float | None = None
    idle_s: float | None = None
    drafts: bool | None = None
    draft_model: Path | None = None
    cuda_graph: bool = True
    prefill_graph: bool | None = None

    def __post_init__(self) -> None:
        if self.contexts < 1:
            raise EngineError(f"contexts is {self.contexts}, but must be at least 1.")
        for name in ("memory_mb", "idle_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise EngineError(f"{name} is {value}, but must be above 0.")


class Prior(Protocol):
    """Evidence about one request's answer, such as the text of the open repository.

    A prior is bound to the text before the answer: the document up to the end of the prompt, which is the cursor
    except for the forced bytes. It is called with the tokens generated since then. The same arguments must give the
    same result: it is called for drafted tokens before they are accepted, and for some tokens twice.
    """

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine the model's logits with this evidence.

        Args:
            generated: tokens of the answer so far.
            logits: logits of the model, float32 [vocab]; read-only, and only valid during the call.

        Returns:
            Log-probabilities of the next token in nats, float32 [vocab], whose exponentials sum to 1. The sampler
            chooses from them, and `Step.logprob` is one of them.
        """

    def draft(self, generated: Sequence[int], max_tokens: int, /) -> Sequence[int]:
        """Propose the next tokens, at most `max_tokens` and possibly none.

        A wrong draft costs time and never changes an answer.
        """


@dataclass(frozen=True, slots=True)
class Support:
    """What a prior of voting contexts says about one token.

    Attributes:
        longest: tokens of the longest match before it; 0 without a match.
        agreeing: tokens of the longest match whose continuation is this token; 0 without one.
        votes: number of matches whose continuation is this token.
    """

    longest: int
    agreeing: int
    votes: int


@runtime_checkable
class SupportingPrior(Protocol):
    """A prior that reports how much it knows about a token."""

    def support(self, generated: Sequence[int], token: int, /) -> Support:
        """Return what is known about a token after the generated ones."""


class GuardedPrior:
    """Prior that is ignored after its first failure; the model alone then chooses the rest of the answer.

    So no exception of a prior reaches the engine, and the answer continues.

    Args:
        prior: the prior to call.
        vocab_size: upper bound of token ids.

    Attributes:
        failure: exception of the prior; None before a failure.
    """

    def __init__(self, prior: Prior, vocab_size: int) -> None:
        self.failure: Exception | None = None
        self._prior = prior
        self._vocab_size = vocab_size

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine the model's logits with the evidence; see `Prior.mix`."""
        if self.failure is None:
            try:
                return _distribution(self._prior.mix(generated, logits), logits)
            except Exception as error:
                self.failure = error
        return log_softmax(logits)

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Propose the next tokens; see `Prior.draft`."""
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

    def support(self, generated: Sequence[int], token: int) -> Support | None:
        """Return what the prior knows about a token; None if it does not say or has failed."""
        if self.failure is None and isinstance(self._prior, SupportingPrior):
            try:
                return self._prior.support(generated, token)
            except Exception as error:
                self.failure = error
        return None


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log-probabilities of logits, in nats, float32 [vocab]."""
    shifted: NDArray[np.float32] = logits - logits.max()
    shifted -= np.float32(np.log(np.exp(shifted).sum()))
    return shifted


def _distribution(mixed: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a prior's result if it has the form of log-probabilities.

    Raises:
        ValueError: it does not.
    """
    if mixed.shape != logits.shape or not np.isfinite(mixed.max()):
        raise ValueError("a prior gave no distribution over the tokens")
    return mixed
