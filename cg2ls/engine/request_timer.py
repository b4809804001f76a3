"""Where the time of one request goes."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.engine.request import Ending, Timing

if TYPE_CHECKING:
    from cg2ls.engine.sequence import TokenSequence


class RequestTimer:
    """Times one request; it starts when made.

    Args:
        prompt_tokens: length of the prompt.

    Attributes:
        reused_tokens: how many of them were in the cache.
        generated: tokens yielded so far.
        drafted: tokens that drafts proposed.
        accepted: how many of them were taken.
        ended: why the answer ended.
    """

    def __init__(self, prompt_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.reused_tokens = 0
        self.generated = 0
        self.drafted = 0
        self.accepted = 0
        self.ended: Ending = ""
        self._decode_calls = 0
        self._began = perf_counter()
        self._prefill_s = 0.0
        self._first_s = 0.0
        self._decode_s = 0.0
        self._runtime_s = 0.0
        self._resumed: float | None = None

    def prefill_ended(self, sequence: TokenSequence) -> None:
        """Notes that the whole prompt was read."""
        if not self._prefill_s:
            self._prefill_s = perf_counter() - self._began
            self.reused_tokens = sequence.reused

    def decode_called(self, seconds: float) -> None:
        """Notes one call of the graph after the prompt, and the time it spent in ONNX Runtime."""
        self._decode_calls += 1
        self._runtime_s += seconds

    def token_ready(self) -> None:
        """Notes a token about to be yielded; the caller's time begins."""
        if not self.generated:
            self._first_s = perf_counter() - self._began
        self._pause()
        self.generated += 1

    def resume(self) -> None:
        """Notes that the caller wants the next token; the engine's time begins again."""
        self._resumed = perf_counter()

    def timing(self) -> Timing:
        """What was measured, once the request has ended."""
        self._pause()
        return Timing(
            prompt_tokens=self.prompt_tokens,
            reused_tokens=self.reused_tokens,
            prefill_ms=1e3 * self._prefill_s,
            first_token_ms=1e3 * self._first_s,
            decode_ms=1e3 * self._decode_s,
            decode_runtime_ms=1e3 * self._runtime_s,
            generated=self.generated,
            decode_calls=self._decode_calls,
            drafted=self.drafted,
            accepted=self.accepted,
            ended=self.ended,
        )

    def _pause(self) -> None:
        if self._resumed is not None:
            self._decode_s += perf_counter() - self._resumed
        self._resumed = None
