"""Answers of two engines to the same prompts: where they differ, and how many lines each fills in exactly."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from cg2_quantize.verification.heldout import make_heldout_rows, read_heldout_texts
from cg2ls.engine import Engine, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINES = 60
"""Number of lines whose second halves are filled in, evenly over the held-out set."""

MAX_PREFIX_TOKENS, MAX_SUFFIX_TOKENS, MAX_ANSWER_TOKENS = 200, 100, 48
"""Maximum tokens before the line, after it, and of the answer."""

MIN_LINE_CHARS = 8
"""Minimum length of a line to fill in."""

FREE_TOKENS = 64
"""Tokens generated to see where two models differ."""


@dataclass(frozen=True)
class Answers:
    """Answers of one model.

    Attributes:
        exact: for each line, whether its second half was filled in exactly, blanks at its end aside.
        free: tokens that follow each row's beginning.
    """

    exact: list[bool]
    free: list[list[int]]


def collect_answers(folder: Path) -> Answers:
    """Return the greedy answers of a model folder."""
    with Engine.open(folder) as engine:
        exact = []
        for prompt, line in _make_prompts(engine):
            request = Request(prompt=prompt, max_tokens=MAX_ANSWER_TOKENS)
            data = b"".join(step.data for step in engine.complete(request))
            first, _, _ = data.decode("utf-8", errors="replace").partition("\n")
            exact.append(first.rstrip() == line.rstrip())
        rows = make_heldout_rows(engine.tokenizer, engine.context_length - FREE_TOKENS)
        start = min(len(rows[0]), MAX_PREFIX_TOKENS)
        free = [_continue(engine, row[:start].tolist()) for row in rows]
    return Answers(exact, free)


def _continue(engine: Engine, prompt: list[int]) -> list[int]:
    request = Request(prompt=prompt, max_tokens=FREE_TOKENS, ignore_stop_tokens=True)
    return [step.token for step in engine.complete(request)]


def median_first_divergence(reference: Answers, model: Answers) -> float:
    """Return the median number of tokens before two models' free answers differ, at most `FREE_TOKENS`."""
    return float(median(_count_common(a, b) for a, b in zip(reference.free, model.free, strict=True)))


def compute_exact_match_delta(reference: Answers, model: Answers) -> float:
    """Return the share of lines filled in exactly, the model's minus the reference's."""
    return (sum(model.exact) - sum(reference.exact)) / max(1, len(reference.exact))


def _count_common(a: list[int], b: list[int]) -> int:
    return next((index for index, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), len(a))


def _make_prompts(engine: Engine) -> Iterator[tuple[list[int], str]]:
    """Yield prompts that ask for the second half of a line, and that half."""
    places = [
        (text, number)
        for text in read_heldout_texts()
        for number, line in enumerate(text.splitlines())
        if number > 2 and len(line.strip()) >= MIN_LINE_CHARS
    ]
    tokenizer = engine.tokenizer
    available = engine.context_length - MAX_ANSWER_TOKENS - 4
    max_prefix, max_suffix = (
        min(MAX_PREFIX_TOKENS, available * 2 // 3),
        min(MAX_SUFFIX_TOKENS, available // 3),
    )
    for text, number in places[:: max(1, len(places) // MAX_LINES)][:MAX_LINES]:
        lines = text.splitlines(keepends=True)
        prefix = tokenizer.encode("".join(lines[:number]))[-max_prefix:]
        suffix = tokenizer.encode("\n" + "".join(lines[number + 1 :]))[:max_suffix]
        line = tokenizer.encode(lines[number].rstrip("\n"))[:MAX_ANSWER_TOKENS]
        known, rest = line[: len(line) // 2], line[len(line) // 2 :]
        yield tokenizer.special.lay_out(prefix, suffix, known, fills_in=True), tokenizer.decode(rest)
