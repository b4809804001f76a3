"""The decode loop of one answer: read the prompt, choose tokens, draft the next, check the draft."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.engine.request import Ending, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.request import Step
    from cg2ls.engine.sampler import TokenSampler
    from cg2ls.engine.sequence import TokenSequence
    from cg2ls.engine.speculative import Drafter


class Deadline:
    """Time limit of one answer; it starts when the object is made.

    Args:
        time_limit_ms: time for the whole answer; None for no limit.
    """

    def __init__(self, time_limit_ms: float | None) -> None:
        self._end = None if time_limit_ms is None else perf_counter() + time_limit_ms / 1e3

    def allows(self, seconds: float) -> bool:
        """Return whether work of this duration would end before the deadline.

        Args:
            seconds: expected duration.
        """
        return self._end is None or perf_counter() + seconds <= self._end


class RequestTimer:
    """Stopwatch of one request; it starts when the object is made.

    Args:
        prompt_tokens: length of the prompt.

    Attributes:
        reused_tokens: prompt tokens that were cached.
        generated: tokens yielded so far.
        drafted: tokens that drafts proposed.
        accepted: drafted tokens that became part of the answer.
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

    def note_prefill(self, sequence: TokenSequence) -> None:
        """Record that the whole prompt was read."""
        if not self._prefill_s:
            self._prefill_s = perf_counter() - self._began
            self.reused_tokens = sequence.reused

    def note_decode_call(self, seconds: float) -> None:
        """Record one call of the graph after the prompt, and its seconds in ONNX Runtime."""
        self._decode_calls += 1
        self._runtime_s += seconds

    def note_token(self) -> None:
        """Record a token that is about to be yielded; the caller's time begins."""
        if not self.generated:
            self._first_s = perf_counter() - self._began
        self._pause()
        self.generated += 1

    def resume(self) -> None:
        """Record that the caller asked for the next token; the engine's time begins again."""
        self._resumed = perf_counter()

    def timing(self) -> Timing:
        """Return the measurements of the ended request."""
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


@dataclass(frozen=True)
class AnswerLimits:
    """Limits of one answer.

    Attributes:
        max_tokens: maximum length of the answer, at least 1.
        deadline: time limit of the answer.
        costs: expected duration of calls.
        should_stop: whether the request was cancelled.
    """

    max_tokens: int
    deadline: Deadline
    costs: CallCosts
    should_stop: Callable[[], bool]

    def has_time(self, count: int) -> bool:
        """Return whether a call of this number of tokens would end before the deadline."""
        return self.deadline.allows(self.costs.seconds(count))


class DecodeLoop:
    """Decode loop of one answer.

    After a failure of the runtime, a new loop with another sequence and the same sampler continues the answer.

    Args:
        sequence: the prompt and the answer in a context.
        sampler: chooses the tokens and holds those that were chosen.
        drafter: proposes tokens; None for no drafts.
        limits: length, time and cancellation.
        timer: records the times.
    """

    def __init__(
        self,
        sequence: TokenSequence,
        sampler: TokenSampler,
        drafter: Drafter | None,
        *,
        limits: AnswerLimits,
        timer: RequestTimer,
    ) -> None:
        self._sequence = sequence
        self._sampler = sampler
        self._drafter = drafter
        self._limits = limits
        self._timer = timer
        self._called = False

    def steps(self) -> Iterator[Step]:
        """Yield the steps that follow the sampler's last one.

        Raises:
            RunError: the model could not be run.
            EngineError: no token could be chosen.
        """
        generated = self._sampler.generated
        draft = self._draft()
        try:
            logits = self._sequence.read(generated, draft, self._may_read)
            if logits is None:
                return
            self._timer.note_prefill(self._sequence)
            while (yield from self._take(logits, draft)):
                self._sequence.truncate_answer(len(generated) - 1)
                draft = self._draft()
                if not self._limits.has_time(1 + len(draft)):
                    draft = ()
                    if not self._limits.has_time(1):
                        self._timer.ended = "time"
                        return
                before = self._sequence.runtime_s
                logits = self._sequence.extend([generated[-1], *draft])
                self._timer.note_decode_call(self._sequence.runtime_s - before)
        finally:
            self._sequence.truncate_answer(max(len(generated) - 1, 0))

    def _take(self, logits: NDArray[np.float32], draft: Sequence[int]) -> Generator[Step, None, bool]:
        """Yield the steps that one call gives; return whether the answer continues.

        Args:
            logits: after the last token and after each drafted one, float32 [1 + draft, vocab].
            draft: the tokens that were drafted after the last token.
        """
        accepted, mistaken = 0, False
        try:
            for row, drafted in zip_longest(logits, draft):
                step = self._sampler.choose(row)
                mistaken = drafted is not None and (step is None or step.token != drafted)
                if step is None:
                    self._timer.ended = "stop token"
                    return False
                accepted += step.token == drafted
                self._timer.note_token()
                yield step
                self._timer.resume()
                if self._ends():
                    return False
                if mistaken:
                    break
            return True
        finally:
            self._note(len(draft), accepted, mistaken=mistaken)

    def _draft(self) -> Sequence[int]:
        generated = self._sampler.generated
        room = self._limits.max_tokens - len(generated) - 1
        return self._drafter.draft(generated, room) if self._drafter and room > 0 else ()

    def _note(self, drafted: int, accepted: int, *, mistaken: bool) -> None:
        if self._drafter and drafted:
            self._drafter.note_checked(accepted, mistaken=mistaken)
            self._timer.drafted += drafted
            self._timer.accepted += accepted

    def _may_read(self, count: int) -> bool:
        """Return whether another call may read. The first call always may, so a repeated request makes progress."""
        if self._limits.should_stop():
            self._timer.ended = "cancelled"
            return False
        if self._called and not self._limits.has_time(count):
            self._timer.ended = "time"
            return False
        self._called = True
        return True

    def _ends(self) -> bool:
        if len(self._sampler.generated) == self._limits.max_tokens:
            self._timer.ended = "length"
        elif self._limits.should_stop():
            self._timer.ended = "cancelled"
        else:
            return False
        return True
