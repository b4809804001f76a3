"""Files with passages missing."""

from __future__ import annotations

import pytest

from cg2ls.evaluation.quality.partial_file import Draft, indentation_unit


def test_it_lacks_the_passages_until_they_are_written(shop):
    lines = shop.text.split("\n")
    draft = Draft.of(shop, [range(2, 3), range(10, 12)])
    assert draft.text == "\n".join(lines[:2] + lines[3:10] + lines[12:])
    for passage in draft.passages:
        passage.advance(len(passage.target))
    assert draft.text == shop.text


def test_the_cursor_is_counted_from_the_document_s_beginning(shop):
    draft = Draft.of(shop, [range(2, 3), range(10, 12)])
    first, second = draft.passages
    first.advance(4)
    second.advance(8)
    assert draft.text[: draft.cursor(first)].endswith("\nimp")
    assert draft.text[: draft.cursor(second)].endswith(second.left)
    with pytest.raises(ValueError, match="not of this draft"):
        Draft.of(shop, [range(2, 3)]).cursor(first)


def test_nothing_may_stand_below(shop):
    assert Draft.of(shop, [range(10, 12)], ends=True).text == "\n".join(shop.text.split("\n")[:10])


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        (["a", "    b", "        c", "  d"], "    "),
        (["a", "\tb"], "\t"),
        (["a", "  b"], "  "),
        (["a"], "    "),
    ],
)
def test_indentation_unit(lines, unit):
    assert indentation_unit(lines) == unit
