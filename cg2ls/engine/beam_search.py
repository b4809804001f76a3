"""Beam search for the likeliest answers to one prompt; with one beam it is greedy decoding.

Each step continues the likeliest unfinished hypotheses, at most `width` of them. Finished ones take no beam. The search
ends when no unfinished hypothesis can come before the finished ones any more, since log-probabilities only fall.
Equal scores are ordered by token id, so the result is the same every time. Hypotheses that spell the same bytes, as
token healing often gives, share a beam: the likeliest stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2ls.engine.parallel_sampling import BatchedAnswers
from cg2ls.engine.providers import PROVIDERS
from cg2ls.engine.request import RequestError, Step
from cg2ls.engine.sampler import ForcedStart, LogSoftmax, pick_best

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.decoding import Deadline, RequestTimer
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Request
    from cg2ls.engine.sampler import Vocabulary
    from cg2ls.engine.sequence import TokenSequence

CANDIDATES_PER_BEAM = 2
"""Continuations of each hypothesis that are looked at, as a multiple of the width; some end the answer and some spell
what another hypothesis spells."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One answer that beam search found.

    Attributes:
        steps: tokens of the answer, without a stop token.
        logprob: log-probability of the answer in nats, its end included. Finished hypotheses with the same key are
            one, and their probabilities are added.
        is_finished: whether the model or `is_complete` ended it; False if it ran out of tokens or time.
        ended_by_model: probability that the model ends it by a stop token, of all the ends found.
    """

    steps: tuple[Step, ...]
    logprob: float
    is_finished: bool
    ended_by_model: float = 0.0

    @property
    def data(self) -> bytes:
        """Bytes of the tokens, the forced ones included."""
        return b"".join(step.data for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    """What to search for.

    Attributes:
        width: number of hypotheses that are continued at each step, at least 1.
        max_gap: hypotheses that are less likely than the best one by more than this are dropped, in nats.
        is_complete: whether an answer needs no further step; called after each of its steps.
        key_of: what a finished answer stands for; answers with equal keys are one. None for its bytes.
    """

    width: int
    max_gap: float = math.inf
    is_complete: Callable[[Sequence[Step]], bool] = lambda _: False
    key_of: Callable[[Sequence[Step]], Hashable] | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise RequestError(f"The number of beams is {self.width}, but must be at least 1.")
        if not self.max_gap > 0:
            raise RequestError(f"max_gap is {self.max_gap}, but must be above 0.")


@dataclass(slots=True)
class _Beam:
    """An unfinished hypothesis and the row of the batch that holds it."""

    row: int
    forced: ForcedStart
    steps: tuple[Step, ...] = ()
    data: bytes = b""
    logprob: float = 0.0


@dataclass(frozen=True, slots=True)
class _Continuation:
    """A beam with one more token."""

    beam: _Beam
    token: int
    step_logprob: float

    @property
    def logprob(self) -> float:
        return self.beam.logprob + self.step_logprob

    @property
    def order(self) -> tuple[float, int, int]:
        return (-self.logprob, self.token, self.beam.row)


@dataclass
class _Finished:
    """Finished hypotheses by key."""

    by_key: dict[Hashable, Hypothesis] = field(default_factory=dict)

    def add(self, key: Hashable, found: Hypothesis) -> None:
        """Add a hypothesis; of two with one key the likelier stays, with the probability of both."""
        known = self.by_key.get(key)
        if known is not None:
            best = known if known.logprob >= found.logprob else found
            logprob = float(np.logaddexp(known.logprob, found.logprob))
            ended = sum(each.ended_by_model * math.exp(each.logprob - logprob) for each in (known, found))
            found = Hypothesis(best.steps, logprob, True, min(1.0, ended))
        self.by_key[key] = found

    def worst_of_best(self, count: int) -> float:
        """Return the log-probability of the hypothesis with this rank; -inf if there are fewer."""
        logprobs = sorted((each.logprob for each in self.by_key.values()), reverse=True)
        return logprobs[count - 1] if len(logprobs) >= count else -math.inf


class BeamSearch:
    """Search for the likeliest answers to one prompt.

    Args:
        runner: the open model.
        sequence: holds the prompt.
        vocabulary: tokens of the model.
        request: what to complete; temperature, seed and drafts do not matter.
        options: what to search for.
        deadline: time limit of the search.
        timer: records the times.
    """

    def __init__(
        self,
        runner: ModelRunner,
        sequence: TokenSequence,
        vocabulary: Vocabulary,
        request: Request,
        options: BeamOptions,
        *,
        deadline: Deadline,
        timer: RequestTimer,
    ) -> None:
        self._runner = runner
        self._sequence = sequence
        self._vocabulary = vocabulary
        self._request = request
        self._options = options
        self._deadline = deadline
        self._timer = timer
        self._log_softmax = LogSoftmax(vocabulary.special.vocab_size)
        self._finished = _Finished()
        self._beams = [_Beam(0, ForcedStart(vocabulary.index, request.forced))]

    def run(self, max_tokens: int, stop: Callable[[], bool]) -> list[Hypothesis]:
        """Return the hypotheses, the likeliest first, finished ones before others.

        Args:
            max_tokens: maximum length of an answer.
            stop: whether the request was cancelled; the hypotheses so far are returned.

        Raises:
            RequestError: the logits are not finite, no token has the forced bytes, or the memory is not sufficient.
            RunError: the model could not be run.
        """
        read = self._sequence.read((), (), lambda _: not stop())
        if read is None:
            self._timer.ended = "cancelled"
            return []
        self._timer.note_prefill(self._sequence)
        logits, rows, call_s = read, None, 0.0
        for length in range(1, max_tokens + 1):
            parents = self._advance(logits)
            if not self._beams or length == max_tokens:
                break
            if not self._may_continue(stop, call_s):
                break
            rows = rows or self._make_rows(max_tokens)
            began = perf_counter()
            logits = rows.run(parents, [beam.steps[-1].token for beam in self._beams])
            call_s = perf_counter() - began
            self._timer.note_decode_call(call_s)
        self._sequence.truncate_answer(0)
        return self._results()

    def _advance(self, logits: NDArray[np.float32]) -> list[int]:
        """Continue every beam by its likeliest tokens; return the row that each new beam continues."""
        options = self._options
        found = sorted(
            (each for beam in self._beams for each in self._continuations(beam, logits[beam.row])),
            key=lambda each: each.order,
        )
        beams: list[_Beam] = []
        parents: list[int] = []
        spelled: set[bytes] = set()
        best = max([found[0].logprob, self._finished.worst_of_best(1)])
        for each in found:
            if len(beams) == options.width or each.logprob < best - options.max_gap:
                break
            if self._is_stop(each.token):
                self._finish(Hypothesis(each.beam.steps, each.logprob, True, 1.0))
                continue
            grown = self._grow(each, row=len(beams))
            if options.is_complete(grown.steps):
                self._finish(Hypothesis(grown.steps, grown.logprob, True))
            elif grown.data not in spelled:
                spelled.add(grown.data)
                beams.append(grown)
                parents.append(each.beam.row)
        least = self._finished.worst_of_best(options.width)
        count = sum(beam.logprob > least for beam in beams)
        self._beams = beams[:count]
        return parents[:count]

    def _continuations(self, beam: _Beam, logits: NDArray[np.float32]) -> Iterator[_Continuation]:
        """Yield the likeliest continuations of a beam.

        Raises:
            RequestError: no token has the forced bytes, or the logits are not finite.
        """
        name, prior = self._vocabulary.model, self._request.prior
        generated = [step.token for step in beam.steps]
        scores = logits if prior is None else prior.mix(generated, logits)
        allowed = beam.forced.allowed_tokens()
        if allowed is not None and not len(allowed):
            raise RequestError(f"{name} has no token for the bytes the answer must begin with.")
        if not math.isfinite(float((scores if allowed is None else scores[allowed]).max())):
            raise RequestError(f"{name} computes no finite numbers; convert the model again.")
        width = self._options.width
        wanted = 1 if width == 1 else CANDIDATES_PER_BEAM * width
        places = pick_best(scores if allowed is None else scores[allowed], wanted)
        tokens = [int(token) for token in (places if allowed is None else allowed[places])]
        if prior is None:
            logprobs = self._log_softmax.at_all(logits, tokens)
        else:
            logprobs = [float(scores[token]) for token in tokens]
        for token, logprob in zip(tokens, logprobs, strict=True):
            if math.isfinite(logprob):
                yield _Continuation(beam, token, logprob)

    def _grow(self, continuation: _Continuation, row: int) -> _Beam:
        beam, token = continuation.beam, continuation.token
        data = self._vocabulary.token_bytes[token]
        self._timer.note_token()
        self._timer.resume()
        return _Beam(
            row=row,
            forced=beam.forced.after(data),
            steps=(*beam.steps, Step(token, data, continuation.step_logprob)),
            data=beam.data + data,
            logprob=continuation.logprob,
        )

    def _is_stop(self, token: int) -> bool:
        return self._vocabulary.special.is_stop(token) and not self._request.ignore_stop_tokens

    def _finish(self, found: Hypothesis) -> None:
        key_of = self._options.key_of
        self._finished.add(key_of(found.steps) if key_of else found.data, found)

    def _may_continue(self, stop: Callable[[], bool], call_s: float) -> bool:
        if stop():
            self._timer.ended = "cancelled"
            return False
        if not self._deadline.allows(call_s or self._runner.costs.seconds(self._options.width)):
            self._timer.ended = "time"
            return False
        return True

    def _make_rows(self, max_tokens: int) -> _Rows:
        width = self._options.width
        if width > 1 and PROVIDERS[self._runner.opened.provider].memory == "cpu":
            return _BatchedRows(BatchedAnswers(self._runner, self._sequence, width, max_tokens), width)
        return _RereadRows(self._sequence)

    def _results(self) -> list[Hypothesis]:
        finished = sorted(self._finished.by_key.values(), key=lambda each: -each.logprob)
        return finished + [Hypothesis(beam.steps, beam.logprob, False) for beam in self._beams]


class _Rows(Protocol):
    """Caches of the unfinished hypotheses."""

    def run(self, parents: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Continue rows by one token each; return the logits, float32 [at least tokens, vocab].

        Args:
            parents: row that each new row continues.
            tokens: its next token.
        """


class _BatchedRows:
    """Rows that are one batch in the CPU's memory."""

    def __init__(self, answers: BatchedAnswers, width: int) -> None:
        self._answers = answers
        self._width = width

    def run(self, parents: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Continue rows by one token each; see `_Rows.run`."""
        unused = range(len(tokens), self._width)
        self._answers.reorder([*parents, *unused])
        return self._answers.run([*tokens, *(0 for _ in unused)])


class _RereadRows:
    """Rows that share the prompt's context; each is read again from where it differs from the row read last.

    So a single beam costs one token a step and gives the same bits as greedy decoding. Several beams are read like this
    if the cache is in a device's memory, where rows cannot be copied.
    """

    def __init__(self, sequence: TokenSequence) -> None:
        self._sequence = sequence
        self._rows: list[tuple[int, ...]] = [()]
        self._read: tuple[int, ...] = ()

    def run(self, parents: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Continue rows by one token each; see `_Rows.run`."""
        rows = [(*self._rows[parent], token) for parent, token in zip(parents, tokens, strict=True)]
        logits = np.concatenate([self._run_row(row).copy() for row in rows])
        self._rows = rows
        return logits

    def _run_row(self, row: tuple[int, ...]) -> NDArray[np.float32]:
        shared = 0
        while shared < min(len(self._read), len(row) - 1) and self._read[shared] == row[shared]:
            shared += 1
        self._sequence.truncate_answer(shared)
        self._read = row
        return self._sequence.extend(row[shared:], rows=1)
