"""What the model wrote, and running it until nothing more could be shown."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cg2ls.completion.faults import answers_of, steps_of
from cg2ls.completion.types import Sampling, Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cg2ls.completion.confidence_gate import Gate
    from cg2ls.completion.postprocess.pipeline import Postprocessor, Processed
    from cg2ls.completion.types import CompletionEngine
    from cg2ls.engine.request import Request, Step


MAX_BYTES = 2048
"""Bytes of an answer, after which it is as if it had run out of tokens: a token may be a hundred blanks or dashes."""


@dataclass
class Answer:
    """What the model wrote; the bytes it was forced to begin with are not part of `text`.

    Attributes:
        forced: how many bytes it was forced to begin with.
        steps: its tokens.
        data: their bytes.
        ended: whether the model ended it, or nothing more of it could be shown.
        by_model: whether the model ended it.
    """

    forced: int
    steps: list[Step] = field(default_factory=list)
    data: bytes = b""
    ended: bool = False
    by_model: bool = False

    @classmethod
    def of(cls, forced: bytes, steps: Iterable[Step]) -> Answer:
        """An answer of these tokens, forced to begin with some bytes."""
        answer = cls(forced=len(forced))
        for step in steps:
            answer.add(step)
        return answer

    def add(self, step: Step) -> None:
        """Takes a token in."""
        self.steps.append(step)
        self.data += step.data

    @property
    def is_full(self) -> bool:
        """Whether it has as many bytes as it may have."""
        return len(self.data) - self.forced >= MAX_BYTES

    @property
    def text(self) -> str:
        """The text so far, up to the last whole character."""
        data = self.data[self.forced :]
        for cut in range(min(4, len(data) + 1)):
            try:
                return data[: len(data) - cut].decode("utf-8")
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data":
                    break
        return data.decode("utf-8", errors="replace")

    def logprob_of(self, shown: str) -> float:
        """Log-probability, in nats, of the tokens up to the one that the shown text ends in."""
        bytes_left = self.forced + len(shown.encode("utf-8")) if shown else 0
        total = 0.0
        for step in self.steps:
            if bytes_left <= 0:
                break
            total += step.logprob
            bytes_left -= len(step.data)
        return total

    def sure_lines(self, sure_bytes: int) -> str:
        """The whole lines within the first bytes of the text; "" if nothing is written on them."""
        data = self.data[self.forced :][:sure_bytes]
        lines = data.decode("utf-8", errors="ignore").rpartition("\n")[0]
        return lines if lines.strip() else ""


def generate(
    engine: CompletionEngine,
    request: Request,
    postprocessor: Postprocessor,
    gate: Gate,
    stop: Callable[[], bool],
) -> Answer:
    """Runs the model until it ends, is stopped, nothing more could be shown, or it is not sure enough.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: it failed.
    """
    answer = Answer(forced=len(request.forced))
    with closing(steps_of(engine, request, stop)) as steps:
        for step in steps:
            answer.add(step)
            if not gate.take(step):
                return answer
            if len(answer.data) > answer.forced and postprocessor.is_complete(answer.text):
                answer.ended = True
                return answer
            if answer.is_full:
                return answer
    answer.ended = answer.by_model = len(answer.steps) < request.max_tokens and not _was_cut_short(engine)
    return answer


def _was_cut_short(engine: CompletionEngine) -> bool:
    """Whether the engine ended the last answer itself, since its time or its context was used up."""
    return isinstance(engine, Timed) and engine.last.ended in ("time", "context full")


TEMPERATURE = 0.8
TOP_P = 0.95
TRIES = 2
"""Answers sampled for each that is wanted; some come out the same, and some with nothing to show."""


@dataclass(frozen=True)
class Other:
    """One further completion.

    Attributes:
        processed: what to show of it.
        logprob: of what is shown, in nats.
        tokens: generated for it.
    """

    processed: Processed
    logprob: float
    tokens: int


def others(
    engine: CompletionEngine,
    request: Request,
    postprocessor: Postprocessor,
    shown: str,
    most: int,
    stop: Callable[[], bool],
) -> list[Other]:
    """Samples completions beside one that was found, and shapes them by the same rules.

    Args:
        engine: the open model; one that cannot sample has no others.
        request: what the found one came from.
        postprocessor: of its place.
        shown: the found one; "" if it was nothing.
        most: how many there may be.
        stop: whether the request was cancelled.

    Returns:
        The likeliest first. None is empty, and none reads like another or like `shown`, nor like its beginning.

    Raises:
        RequestError: there is no memory for so many answers.
        EngineFailedError: the engine failed.
    """
    if most < 1 or not isinstance(engine, Sampling):
        return []
    sampled = replace(request, temperature=TEMPERATURE, top_p=TOP_P, guess=(), guidance=None)

    def is_complete(steps: Sequence[Step]) -> bool:
        answer = Answer.of(request.forced, steps)
        return answer.is_full or (len(answer.data) > answer.forced and postprocessor.is_complete(answer.text))

    answers = answers_of(engine, sampled, TRIES * most, stop, is_complete)
    found = sorted(_shown(answers, request, postprocessor), key=lambda other: other.logprob, reverse=True)
    distinct: dict[str, Other] = {}
    for other in found:
        distinct.setdefault(_words(other.processed.text), other)
    texts = {*distinct, _words(shown)}
    return [
        other
        for words, other in distinct.items()
        if words != _words(shown) and not any(text != words and text.startswith(words) for text in texts)
    ][:most]


def _words(text: str) -> str:
    """A text as one reads it, however it is spaced."""
    return " ".join(text.split())


def _shown(
    answers: Sequence[Sequence[Step]], request: Request, postprocessor: Postprocessor
) -> Iterator[Other]:
    for steps in answers:
        answer = Answer.of(request.forced, steps)
        complete = postprocessor.is_complete(answer.text)
        by_model = not (complete or answer.is_full) and len(steps) < request.max_tokens
        ended = complete or by_model
        processed = postprocessor.shape(answer.text, ended=ended, by_model=by_model)
        if processed.text:
            yield Other(processed, answer.logprob_of(processed.text), len(steps))
