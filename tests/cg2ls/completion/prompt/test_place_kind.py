"""The kind of place is read from the cursor's line alone."""

from __future__ import annotations

import pytest

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.prompt.place_kind import find_place_kind


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "line_start"),
        ("        ", "line_start"),
        ("\t", "line_start"),
        ("return ", "word_start"),
        ("self.", "word_start"),
        ("x =", "word_start"),
        ("ret", "in_word"),
        ("self._", "in_word"),
        ("größe", "in_word"),
        ("call(", "after_open"),
        ("[{", "after_open"),
        ("x = '", "after_open"),
        ("x = ''", "word_start"),
        ("f(x)", "word_start"),
    ],
)
def test_kind(line, kind):
    text = "above = 1\n" + line
    assert find_place_kind(Cursor(text, len(text))) == kind
