"""Further completions of one place, for who wants to choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.completion.faults import answers_of
from cg2ls.completion.generate import Answer
from cg2ls.completion.types import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cg2ls.completion.postprocess.pipeline import Postprocessor, Processed
    from cg2ls.completion.types import CompletionEngine
    from cg2ls.engine.request import Request, Step

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
    sampled = replace(request, temperature=TEMPERATURE, top_p=TOP_P, draft_hint=())

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
