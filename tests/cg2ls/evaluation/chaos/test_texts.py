"""Answers that do not fit the text they were asked for are told from those that do."""

from __future__ import annotations

import pytest

from cg2ls.evaluation.chaos.mirror import Open
from cg2ls.evaluation.chaos.texts import misfit

DOCUMENT = Open("file:///a.py", "python", "x = 🦉()\ny\n", offset=5)


def answer(start: tuple[int, int], end: tuple[int, int]) -> dict:
    places = [{"line": line, "character": character} for line, character in (start, end)]
    return {"items": [{"insertText": "z", "range": dict(zip(("start", "end"), places, strict=True))}]}


@pytest.mark.parametrize("result", [None, {"items": []}, answer((0, 6), (0, 6)), answer((0, 6), (0, 8))])
def test_nothing_and_ranges_within_the_line_fit(result):
    assert misfit(DOCUMENT, result) == ""


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (answer((0, 5), (0, 5)), "asked at"),
        (answer((1, 0), (1, 0)), "asked at"),
        (answer((0, 6), (0, 9)), "the line ends at"),
        (answer((0, 6), (1, 0)), "the line ends at"),
    ],
)
def test_ranges_elsewhere_or_past_the_line_do_not(result, says):
    assert says in misfit(DOCUMENT, result)
