"""Run the model until nothing more could be shown, and sample alternatives to its answer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cg2ls.completion.faults import run_engine, sample_engine
from cg2ls.completion.types import SupportsSampling, SupportsTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cg2ls.completion.confidence_gate import ConfidenceGate
    from cg2ls.completion.postprocess.pipeline import Postprocessor, Processed
    from cg2ls.completion.types import CompletionEngine
    from cg2ls.engine.request import Request, Step

MAX_ANSWER_BYTES = 2048
"""Longer answers count as out of tokens: a single token may be a hundred blanks or dashes."""

SAMPLING_TEMPERATURE = 0.8
SAMPLING_TOP_P = 0.95
SAMPLES_PER_ALTERNATIVE = 2
"""Some sampled answers are equal, and some have nothing to show."""


@dataclass
class GeneratedAnswer:
    """Tokens of the model; `text` leaves out the bytes that the answer was forced to begin with.

    Attributes:
        forced: number of bytes that the answer was forced to begin with.
        steps: tokens of the answer.
        data: bytes of the tokens.
        ended: whether the model ended the answer, or no more of it could be shown.
        ended_by_model: whether the model ended it.
    """

    forced: int
    steps: list[Step] = field(default_factory=list)
    data: bytes = b""
    ended: bool = False
    ended_by_model: bool = False

    @classmethod
    def from_steps(cls, forced: bytes, steps: Iterable[Step]) -> GeneratedAnswer:
        """Return the answer with these tokens, which was forced to begin with some bytes."""
        answer = cls(forced=len(forced))
        for step in steps:
            answer.add(step)
        return answer

    def add(self, step: Step) -> None:
        """Add a token."""
        self.steps.append(step)
        self.data += step.data

    @property
    def is_full(self) -> bool:
        """Whether the answer has reached the maximum number of bytes."""
        return len(self.data) - self.forced >= MAX_ANSWER_BYTES

    @property
    def text(self) -> str:
        """Text so far, up to the last whole character."""
        data = self.data[self.forced :]
        for cut in range(min(4, len(data) + 1)):
            try:
                return data[: len(data) - cut].decode("utf-8")
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data":
                    break
        return data.decode("utf-8", errors="replace")

    def logprob_of(self, shown: str) -> float:
        """Return the log-probability, in nats, of the tokens up to the one that contains the end of `shown`."""
        remaining_bytes = self.forced + len(shown.encode("utf-8")) if shown else 0
        total = 0.0
        for step in self.steps:
            if remaining_bytes <= 0:
                break
            total += step.logprob
            remaining_bytes -= len(step.data)
        return total

    def sure_lines(self, sure_bytes: int) -> str:
        """Return the whole lines within the first bytes of the text; "" if they are blank."""
        data = self.data[self.forced :][:sure_bytes]
        lines = data.decode("utf-8", errors="ignore").rpartition("\n")[0]
        return lines if lines.strip() else ""


def ignore(_: object) -> None:
    """Do nothing."""


def generate(
    engine: CompletionEngine,
    request: Request,
    postprocessor: Postprocessor,
    gate: ConfidenceGate,
    stop: Callable[[], bool],
    watch: Callable[[GeneratedAnswer], object] = ignore,
) -> GeneratedAnswer:
    """Run the model until it ends, is stopped, is not sure enough, or nothing more could be shown.

    Args:
        engine: the open model.
        request: what to complete.
        postprocessor: rules for the cursor.
        gate: watches the answer.
        stop: returns whether the request was cancelled.
        watch: called with the answer after every token.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    answer = GeneratedAnswer(forced=len(request.forced))
    with closing(run_engine(engine, request, stop)) as steps:
        for step in steps:
            answer.add(step)
            if not gate.take(step):
                return answer
            if _is_complete(answer, postprocessor):
                answer.ended = True
                return answer
            if answer.is_full:
                return answer
            watch(answer)
    is_out_of_tokens = len(answer.steps) >= request.max_tokens
    answer.ended = answer.ended_by_model = not is_out_of_tokens and not is_cut_short(engine)
    return answer


def _is_complete(answer: GeneratedAnswer, postprocessor: Postprocessor) -> bool:
    return len(answer.data) > answer.forced and postprocessor.is_complete(answer.text)


def is_cut_short(engine: CompletionEngine) -> bool:
    """Return whether the engine ended its last work because the time or the context was used up."""
    return isinstance(engine, SupportsTiming) and engine.last.ended in ("time", "context full")


@dataclass(frozen=True)
class Alternative:
    """A further answer for the same cursor.

    Attributes:
        processed: text to show of it.
        logprob: log-probability of that text, in nats.
        tokens: number of tokens generated for it.
    """

    processed: Processed
    logprob: float
    tokens: int


def sample_alternatives(
    engine: CompletionEngine,
    request: Request,
    postprocessor: Postprocessor,
    shown: str,
    max_count: int,
    stop: Callable[[], bool],
) -> list[Alternative]:
    """Sample alternatives to an answer and postprocess them by the same rules.

    Args:
        engine: the open model; without sampling there are no alternatives.
        request: request of the answer.
        postprocessor: rules for its cursor.
        shown: text shown of the answer; "" for nothing.
        max_count: maximum number of alternatives.
        stop: returns whether the request was cancelled.

    Returns:
        The alternatives, the likeliest first. None is empty. Apart from blanks, none equals another alternative or
        `shown`, and none is the beginning of one of them.

    Raises:
        RequestError: there is not enough memory for so many answers.
        EngineFailedError: the engine failed.
    """
    if max_count < 1 or not isinstance(engine, SupportsSampling):
        return []
    sampled = replace(request, temperature=SAMPLING_TEMPERATURE, top_p=SAMPLING_TOP_P, draft_hint=())

    def is_complete(steps: Sequence[Step]) -> bool:
        answer = GeneratedAnswer.from_steps(request.forced, steps)
        return answer.is_full or _is_complete(answer, postprocessor)

    answers = sample_engine(engine, sampled, SAMPLES_PER_ALTERNATIVE * max_count, stop, is_complete)
    processed = _process_samples(answers, request, postprocessor)
    distinct: dict[str, Alternative] = {}
    for alternative in sorted(processed, key=lambda each: each.logprob, reverse=True):
        distinct.setdefault(_join_words(alternative.processed.text), alternative)
    shown_words = _join_words(shown)
    texts = {*distinct, shown_words}
    return [
        alternative
        for words, alternative in distinct.items()
        if words != shown_words and not any(text != words and text.startswith(words) for text in texts)
    ][:max_count]


def _join_words(text: str) -> str:
    """Return the words of a text, joined by single blanks, so that texts compare regardless of spacing."""
    return " ".join(text.split())


def _process_samples(
    answers: Sequence[Sequence[Step]], request: Request, postprocessor: Postprocessor
) -> Iterator[Alternative]:
    """Yield the sampled answers that have something to show."""
    for steps in answers:
        answer = GeneratedAnswer.from_steps(request.forced, steps)
        is_complete = postprocessor.is_complete(answer.text)
        ended_by_model = not (is_complete or answer.is_full) and len(steps) < request.max_tokens
        processed = postprocessor.process(
            answer.text, ended=is_complete or ended_by_model, ended_by_model=ended_by_model
        )
        if processed.text:
            yield Alternative(processed, answer.logprob_of(processed.text), len(steps))
