"""Answers of two engines to the same prompts: where they part, and how many lines each fills in exactly."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from cg2_quantize.verification.heldout import make_heldout_rows, read_heldout_texts
from cg2ls.engine import Engine, Request
from cg2ls.models.codegen2.infill import anchored_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = 60
"""Lines whose second halves are filled in, evenly over the held-out set."""

PREFIX, SUFFIX, LONGEST = 200, 100, 48
"""Most tokens before the line, behind it, and of the answer."""

SHORTEST = 8
"""Characters of a line worth asking for."""

FREE = 64
"""Tokens generated to see where two models part."""


@dataclass(frozen=True)
class Answers:
    """What one model answered.

    Attributes:
        exact: for each line, whether its second half was filled in exactly, blanks at its end aside.
        free: tokens that follow each row's beginning.
    """

    exact: list[bool]
    free: list[list[int]]


def collect_answers(folder: Path) -> Answers:
    """Greedy answers of a model folder."""
    with Engine.open(folder) as engine:
        exact = []
        for prompt, line in _problems(engine):
            request = Request(prompt=prompt, max_tokens=LONGEST)
            data = b"".join(step.data for step in engine.complete(request))
            first, _, _ = data.decode("utf-8", errors="replace").partition("\n")
            exact.append(first.rstrip() == line.rstrip())
        rows = make_heldout_rows(engine.tokenizer, engine.context_length - FREE)
        start = min(len(rows[0]), PREFIX)
        free = [_continued(engine, row[:start].tolist()) for row in rows]
    return Answers(exact, free)


def _continued(engine: Engine, prompt: list[int]) -> list[int]:
    request = Request(prompt=prompt, max_tokens=FREE, past_end=True)
    return [step.token for step in engine.complete(request)]


def median_first_divergence(reference: Answers, model: Answers) -> float:
    """Median number of tokens before two models' free answers differ; `FREE` where they never do."""
    return float(median(_common(a, b) for a, b in zip(reference.free, model.free, strict=True)))


def compute_exact_match_delta(reference: Answers, model: Answers) -> float:
    """Share of lines filled in exactly, the model's less the reference's."""
    return (sum(model.exact) - sum(reference.exact)) / max(1, len(reference.exact))


def _common(a: list[int], b: list[int]) -> int:
    return next((index for index, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), len(a))


def _problems(engine: Engine) -> Iterator[tuple[list[int], str]]:
    """Prompts that ask for the second half of a line, and that half."""
    places = [
        (text, number)
        for text in read_heldout_texts()
        for number, line in enumerate(text.splitlines())
        if number > 2 and len(line.strip()) >= SHORTEST
    ]
    tokenizer = engine.tokenizer
    room = engine.context_length - LONGEST - 4
    prefix_room, suffix_room = min(PREFIX, room * 2 // 3), min(SUFFIX, room // 3)
    for text, number in places[:: max(1, len(places) // LINES)][:LINES]:
        lines = text.splitlines(keepends=True)
        prefix = tokenizer.encode("".join(lines[:number]))[-prefix_room:]
        suffix = tokenizer.encode("\n" + "".join(lines[number + 1 :]))[:suffix_room]
        line = tokenizer.encode(lines[number].rstrip("\n"))[:LONGEST]
        known, rest = line[: len(line) // 2], line[len(line) // 2 :]
        yield anchored_prompt(prefix, suffix, known, tokenizer.special), tokenizer.decode(rest)
