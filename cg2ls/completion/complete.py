"""From a document and a cursor to the text to show."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.anchor import AnchorState, place
from cg2ls.completion.budget import HEALING, Budget
from cg2ls.completion.cursor import Cursor
from cg2ls.completion.mode import Extent, extent
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.prompt import layout
from cg2ls.completion.shape import Shaper
from cg2ls.completion.types import Completion, CompletionEngine, Reason, Trigger
from cg2ls.engine.request import Request, Step, never

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DEFAULTS = CompletionOptions()


def complete_at(
    engine: CompletionEngine,
    text: str,
    offset: int,
    *,
    language: str = "",
    mode: Trigger = "automatic",
    options: CompletionOptions = DEFAULTS,
    anchor: AnchorState | None = None,
    stop: Callable[[], bool] = never,
) -> Completion:
    """Completes a document at a cursor.

    Generating ends as soon as nothing more could be shown.

    Args:
        engine: the open model.
        text: the whole document, with any line ends.
        offset: of the cursor, in code points, 0 to `len(text)`.
        language: LSP id of the document's language, "" if unknown.
        mode: whether the editor asked or the user did.
        options: how much to generate and to show.
        anchor: the document's anchor, kept from call to call; moved here.
        stop: whether the request was cancelled, asked before every run of the model.

    Raises:
        ValueError: the offset is outside of the text.
        EngineError: the model cannot be run.
    """
    if not 0 <= offset <= len(text):
        raise ValueError(f"offset {offset} is outside of a text of {len(text)} characters")
    began = perf_counter()
    cursor = Cursor.at(text, offset)
    reach = _extent(cursor, language, options)
    shaper = Shaper(cursor=cursor, extent=reach, trigger=mode, max_lines=options.max_lines)
    request = _request(engine, cursor, anchor or AnchorState(), reach, options)
    answer = _generate(engine, request, shaper, stop)
    shaped = shaper.shape(answer.text, ended=answer.ended)
    reason: Reason = "stopped" if stop() else "shown" if shaped.text else "empty"
    shown = shaped.text if reason == "shown" else ""
    return Completion(
        text=shown,
        replace_end_offset=offset + (shaped.covers if shown else 0),
        logprob=answer.logprob_of(shown),
        tokens=len(answer.steps),
        latency_ms=(perf_counter() - began) * 1000,
        reason=reason,
    )


def _extent(cursor: Cursor, language: str, options: CompletionOptions) -> Extent:
    return "line" if options.max_lines == 1 and cursor.line_before.strip() else extent(cursor, language)


def _request(
    engine: CompletionEngine, cursor: Cursor, state: AnchorState, reach: Extent, options: CompletionOptions
) -> Request:
    model = engine.model
    budget = Budget.of(
        engine.context_length,
        answer_tokens=max(options.line_tokens, options.block_tokens),
        anchor_max_tokens=model.infill.anchor_max_tokens,
    )
    placed = place(cursor, state.anchor, budget, engine.tokenizer.encode, model.document_header)
    state.anchor = placed.anchor
    wanted = options.line_tokens if reach == "line" else options.block_tokens
    return Request(
        prompt=layout(placed, engine.tokenizer.special, model.infill),
        forced=placed.forced.encode("utf-8"),
        max_tokens=min(wanted + (HEALING if placed.forced else 0), budget.answer),
    )


@dataclass
class _Answer:
    """What the model wrote, the bytes it was forced to begin with left out."""

    forced: int
    steps: list[Step] = field(default_factory=list)
    data: bytes = b""
    ended: bool = False

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.data += step.data

    @property
    def text(self) -> str:
        """The text so far, up to the last whole character."""
        data = self.data[self.forced :]
        for cut in range(min(4, len(data) + 1)):
            try:
                return data[: len(data) - cut].decode("utf-8")
            except UnicodeDecodeError as wrong:
                if wrong.reason != "unexpected end of data":
                    break
        return data.decode("utf-8", errors="replace")

    def logprob_of(self, shown: str) -> float:
        """Log-probability of the tokens up to the one that the shown text ends in."""
        bytes_left = self.forced + len(shown.encode("utf-8")) if shown else 0
        total = 0.0
        for step in self.steps:
            if bytes_left <= 0:
                break
            total += step.logprob
            bytes_left -= len(step.data)
        return total


def _generate(
    engine: CompletionEngine, request: Request, shaper: Shaper, stop: Callable[[], bool]
) -> _Answer:
    answer = _Answer(forced=len(request.forced))
    with closing(_steps(engine, request, stop)) as steps:
        for step in steps:
            answer.add(step)
            if len(answer.data) > answer.forced and shaper.is_complete(answer.text):
                answer.ended = True
                return answer
    answer.ended = len(answer.steps) < request.max_tokens
    return answer


def _steps(
    engine: CompletionEngine, request: Request, stop: Callable[[], bool]
) -> Generator[Step, None, None]:
    yield from engine.complete(request, stop)
