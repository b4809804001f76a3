"""The text below the cursor as evidence about what is missing at the cursor.

A line is judged by what the model makes of the text below it: `log P(text below | text above, line)`, by plain
continuation. With the line's own log-probability this is a noisy channel (Yu et al. 2017, arXiv 1611.02554; Yee et al.
2019, arXiv 1908.05731), whose channel model is the same network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.faults import score_engine
from cg2ls.engine.scoring import Continuation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion.postprocess.pipeline import Processed
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.types import SupportsSearch
    from cg2ls.engine.request import Request

MAX_EVIDENCE_CHARS_PER_TOKEN = 8
"""More than the average of any tokenizer on code; it limits how much text is tokenized."""


def cut_below(cursor: Cursor, max_tokens: int) -> str:
    """Return the beginning of the text after the cursor's line; "" if it is blank.

    Args:
        cursor: place to complete at.
        max_tokens: number of tokens that are read.
    """
    if cursor.is_cut_after:
        return ""
    start = cursor.line_end + 1
    below = cursor.text[start : start + max_tokens * MAX_EVIDENCE_CHARS_PER_TOKEN]
    return below if below.strip() else ""


def read_evidence(
    engine: SupportsSearch,
    request: Request,
    prefix: Sequence[int],
    cursor: Cursor,
    lines: Sequence[Processed],
    max_tokens: int,
    stop: Callable[[], bool],
) -> list[list[float]] | None:
    """Read the text below after each line.

    Args:
        engine: the open model.
        request: request of the lines, whose cache stays; its time limit holds.
        prefix: tokens of the text above, up to the forced bytes of the request.
        cursor: place of the lines.
        lines: texts that could be shown.
        max_tokens: number of tokens to read after each line.
        stop: returns whether the request was cancelled.

    Returns:
        The log-probability of each token of the text below, in nats, for each line. None if there is no text below, if
        the context or the time is too short, or if it was cancelled.

    Raises:
        RequestError: the engine cannot serve this request.
        EngineFailedError: the engine failed.
    """
    below = cut_below(cursor, max_tokens)
    if not below or not lines:
        return None
    encode = engine.tokenizer.encode
    scored = encode(below)[:max_tokens]
    forced = request.forced.decode("utf-8", errors="ignore")
    continuations = [
        Continuation(encode(forced + line.text + cursor.line_after[line.replace_length :] + "\n"), scored)
        for line in lines
    ]
    longest = max(len(each.given) for each in continuations) + len(scored)
    if not prefix or len(prefix) + longest > engine.context_length:
        return None
    return score_engine(engine, prefix, continuations, stop, request)
