"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.engine.prior import Prior


class EngineError(Cg2Error):
    """A model that cannot be opened or run, or a request that it cannot serve."""


def never() -> bool:
    """The stop callback of a request that nobody cancels."""
    return False


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
        guess: tokens the answer probably begins with, as the rest of a suggestion that is being typed. They
            may save time and never change the answer.
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
    past_end: bool = False

    def __post_init__(self) -> None:
        if not self.prompt:
            raise EngineError("The prompt is empty; it needs at least one token.")
        if self.max_tokens < 1:
            raise EngineError(f"max_tokens is {self.max_tokens}, but must be at least 1.")
        if not 0 <= self.temperature < float("inf"):
            raise EngineError(f"temperature is {self.temperature}, but must be 0 or more.")
        if not 0 < self.top_p <= 1:
            raise EngineError(f"top_p is {self.top_p}, but must be above 0 and at most 1.")


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
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0
    decode_ms: float = 0.0
    decode_runtime_ms: float = 0.0
    generated: int = 0
