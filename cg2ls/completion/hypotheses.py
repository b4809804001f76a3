"""Hypotheses: several first lines that the model could have meant, by beam search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.completion.faults import search_engine
from cg2ls.completion.generate import GeneratedAnswer, is_cut_short
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.engine.beam_search import BeamOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from cg2ls.completion.postprocess.pipeline import Processed
    from cg2ls.completion.types import SupportsSearch
    from cg2ls.engine.beam_search import Hypothesis
    from cg2ls.engine.request import Request, Step

MAX_GAP = 8.0
"""Nats by which a hypothesis may be less likely than the best one; no fitted weight of the text below makes up for
more."""


@dataclass(frozen=True)
class LineHypothesis:
    """One line that could be shown.

    Attributes:
        processed: the line after postprocessing, never empty.
        steps: tokens of the answer that it was made of.
        logprob: log-probability of the line in nats, its end included.
        ended_by_model: probability that the model ends its answer after the line, of all the ends found.
    """

    processed: Processed
    steps: tuple[Step, ...]
    logprob: float
    ended_by_model: float


def search_lines(
    engine: SupportsSearch,
    request: Request,
    postprocessor: Postprocessor,
    width: int,
    stop: Callable[[], bool],
) -> list[LineHypothesis]:
    """Search for the likeliest lines to show; what the rules make equal is one hypothesis.

    Args:
        engine: the open model.
        request: request of the answer; its time limit holds.
        postprocessor: rules for its cursor.
        width: number of beams.
        stop: returns whether the request was cancelled.

    Returns:
        The hypotheses, the likeliest first; those that ran out of tokens or have nothing to show are left out. None if
        the search ended early, since the lines that are found first are the short ones.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    rules = limit_to_line(postprocessor)

    def is_complete(steps: Sequence[Step]) -> bool:
        answer = GeneratedAnswer.from_steps(request.forced, steps)
        return len(answer.data) > answer.forced and (answer.is_full or rules.is_complete(answer.text))

    def key_of(steps: Sequence[Step]) -> Hashable:
        return rules.find_end(GeneratedAnswer.from_steps(request.forced, steps).text).rstrip()

    options = BeamOptions(width=width, max_gap=MAX_GAP, is_complete=is_complete, key_of=key_of)
    found = search_engine(engine, replace(request, draft_hint=()), options, stop)
    if is_cut_short(engine):
        return []
    by_text: dict[tuple[str, int], LineHypothesis] = {}
    for hypothesis in found:
        if hypothesis.is_finished and (line := make_line(hypothesis, request.forced, rules)):
            by_text.setdefault((line.processed.text, line.processed.replace_length), line)
    return list(by_text.values())


def limit_to_line(postprocessor: Postprocessor) -> Postprocessor:
    """Return the same rules for one line at most."""
    return replace(postprocessor, context=replace(postprocessor.context, max_lines=1))


def make_line(found: Hypothesis, forced: bytes, rules: Postprocessor) -> LineHypothesis | None:
    """Return the line to show of a finished hypothesis; None if the rules leave nothing.

    Args:
        found: the hypothesis.
        forced: bytes that it was forced to begin with.
        rules: rules for its cursor, for one line at most.
    """
    answer = GeneratedAnswer.from_steps(forced, found.steps)
    processed = rules.process(answer.text, ended=True, ended_by_model=found.ended_by_model > 0)
    if not processed.text:
        return None
    return LineHypothesis(processed, found.steps, found.logprob, found.ended_by_model)
