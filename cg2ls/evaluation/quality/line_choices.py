"""Hypotheses at positions of real files, with the text below as evidence, and which of them is right."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cg2ls.completion import CompletionOptions, Retrieval
from cg2ls.completion.faults import Faults
from cg2ls.completion.hypotheses import limit_to_line, read_evidence, search_lines
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.completion.postprocess.rule import RuleContext
from cg2ls.completion.prompt.builder import PromptBuilder
from cg2ls.completion.prompt.cursor import Cursor, PlaceKind, find_place_kind
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.region import find_kind
from cg2ls.completion.trigger import choose_extent
from cg2ls.engine.request import never
from cg2ls.evaluation.quality.scores import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cg2ls.completion.hypotheses import LineHypothesis
    from cg2ls.completion.types import SupportsSearch
    from cg2ls.evaluation.quality.positions import Below, Position
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory

WIDTH = 4
MAX_EVIDENCE_TOKENS = 40


@dataclass(frozen=True)
class ObservedLine:
    """One hypothesis.

    Attributes:
        text: the line to show.
        logprob: log-probability of the line and its end, in nats.
        tokens: number of its tokens.
        ended_by_model: probability that the model ends its answer after it.
        is_greedy: whether it is the result of greedy decoding.
        is_beam: whether beam search found it.
        is_right: whether it restores the line that was written.
        evidence: log-probability of each token of the text below; empty without evidence.
    """

    text: str
    logprob: float
    tokens: int
    ended_by_model: float
    is_greedy: bool
    is_beam: bool
    is_right: bool
    evidence: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class ObservedChoice:
    """The hypotheses at one position.

    Attributes:
        file: the file.
        place: kind of the cursor's place in its line.
        below: extent of the missing text below the line.
        lines: the hypotheses.
    """

    file: str
    place: PlaceKind
    below: Below
    lines: list[ObservedLine]

    def to_json(self) -> dict[str, Any]:
        """Return the observation as JSON."""
        return asdict(self)


def observe_choices(
    engine: SupportsSearch,
    memories: ReplayMemory | None,
    positions: Sequence[Position],
    *,
    width: int = WIDTH,
    max_tokens: int = MAX_EVIDENCE_TOKENS,
) -> Iterator[ObservedChoice]:
    """Yield the hypotheses at each position at which something is missing from the line.

    Args:
        engine: the open model.
        memories: memory of the repositories; None for the model alone.
        positions: positions to complete at.
        width: number of beams.
        max_tokens: tokens of the text below that are read after each line.
    """
    for position in positions:
        if position.passage.target.startswith(position.passage.left):
            lines = _observe_lines(engine, memories, position, width, max_tokens)
            cursor = Cursor(*position.get_place())
            yield ObservedChoice(position.source.name, find_place_kind(cursor), position.below, lines)


def _observe_lines(
    engine: SupportsSearch, memories: ReplayMemory | None, position: Position, width: int, max_tokens: int
) -> list[ObservedLine]:
    options, source = CompletionOptions(), position.source
    cursor, grammar = Cursor(*position.get_place()), load_grammar(source.language)
    extent = choose_extent(cursor, source.language, lambda: find_kind(cursor, grammar))
    context = RuleContext(cursor=cursor, extent=extent, language=source.language, grammar=grammar)
    rules = limit_to_line(Postprocessor(context=context))
    retrieval = Retrieval(
        (lambda text, offset: memories.prior(source, text, offset)) if memories else None, None
    )
    prompts, faults = PromptBuilder(engine, options), Faults()
    request = prompts.build(cursor, extent, "", retrieval, faults)
    if faults.found:
        raise faults.found[0].error
    greedy = search_lines(engine, request, rules, 1, never)
    beams = search_lines(engine, request, rules, width, never)
    known = {line.processed: line for line in [*greedy, *beams]}
    lines = [known[processed] for processed in dict.fromkeys(line.processed for line in [*beams, *greedy])]
    evidence = read_evidence(
        engine,
        request,
        prompts.text_above,
        cursor,
        [line.processed for line in lines],
        max_tokens,
        never,
    )

    def observe(number: int, line: LineHypothesis) -> ObservedLine:
        verdict = judge(position.passage, line.processed.text, line.processed.replace_length)
        return ObservedLine(
            text=line.processed.text,
            logprob=line.logprob,
            tokens=len(line.steps),
            ended_by_model=line.ended_by_model,
            is_greedy=any(line.processed == each.processed for each in greedy),
            is_beam=any(line.processed == each.processed for each in beams),
            is_right=verdict.exact_line,
            evidence=[round(each, 4) for each in evidence[number]] if evidence else [],
        )

    return [observe(number, line) for number, line in enumerate(lines)]
