"""What was shown beside what was written. The passage is cut at |; closers behind it stand there already."""

from __future__ import annotations

import pytest

from cg2ls.evaluation.quality.judge import judge
from cg2ls.evaluation.quality.passage import Passage


def passage(art: str, above: str = "") -> Passage:
    made = Passage("\n" + art.replace("|", ""), above)
    made.advance(1 + art.index("|"))
    return made


@pytest.mark.parametrize(
    ("art", "text", "replace_length", "exact", "whole"),
    [
        ("x = |a + b", "a + b", 0, True, True),
        ("x = |a + b", "a + c", 0, False, False),
        ("x = |a + b", "a", 0, False, False),
        ("f(|a, b)", "a, b", 0, True, True),
        ("f(|a, b):", "a, b):", 1, True, True),
        ("f(|a, b)", "a, b)", 0, False, False),
        ("if x:|\n    a\n    b", "\n    a", 0, True, True),
        ("if x:|\n    a\n    b", "\n    a\n    c", 0, True, False),
        ("if x:|\n    a\n    b", "\n    a\n    b", 0, True, True),
        ("x|\n\ny", "\n\ny", 0, True, True),
        ("x|", "\ny", 0, False, False),
        ("x|", " + 1", 0, False, False),
        ("x = |a  ", "a", 0, True, True),
    ],
)
def test_verdicts(art, text, replace_length, exact, whole):
    found = judge(passage(art), text, replace_length)
    assert found.shown
    assert (found.exact_line, found.whole) == (exact, whole)


def test_nothing_shown():
    assert judge(passage("x = |a"), "", 0).shown is False


def test_similarity_is_of_the_rest_of_the_line():
    assert judge(passage("some = |abcd"), "abxd", 0).similarity == pytest.approx(0.75)
    assert judge(passage("f(|abcd)"), "abcd", 0).similarity == 1


def test_a_line_indented_as_the_block_that_ended_is_wrong():
    made = Passage("\nelse:", above="        f()")
    made.step()
    assert made.line_before == "        "
    assert not judge(made, "else:", 0).exact_line
