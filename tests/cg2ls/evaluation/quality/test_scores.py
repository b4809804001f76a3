"""Shown text compared with the true text. The passage is cut at |; closers after it exist already."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.scores import (
    AnswerVerdict,
    QualityScores,
    compute_edit_similarity,
    judge,
    judge_all,
    write_all,
)
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
from cg2ls.evaluation.simulation.passage import Passage
from cg2ls.evaluation.simulation.simulated_user import Effort, sample_passages


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
    made = Passage("\nelse:", line_above="        f()")
    made.press_next_key()
    assert made.line_before == "        "
    assert not judge(made, "else:", 0).exact_line


def longest_common(one: str, other: str) -> int:
    @cache
    def table(i: int, j: int) -> int:
        if i == len(one) or j == len(other):
            return 0
        if one[i] == other[j]:
            return 1 + table(i + 1, j + 1)
        return max(table(i + 1, j), table(i, j + 1))

    return table(0, 0)


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_it_is_twice_the_longest_common_subsequence_by_both_lengths(one, other):
    expected = 2 * longest_common(one, other) / (len(one) + len(other)) if one or other else 1
    assert compute_edit_similarity(one, other) == pytest.approx(expected)


def test_examples():
    assert compute_edit_similarity("return x", "return x") == 1
    assert compute_edit_similarity("abc", "xyz") == 0
    assert compute_edit_similarity("", "x") == 0
    assert compute_edit_similarity("ab", "abab") == pytest.approx(4 / 6)


RIGHT = AnswerVerdict(shown=True, exact_line=True, whole=False, similarity=1.0)
WRONG = AnswerVerdict(shown=True, exact_line=False, whole=False, similarity=0.5)
SILENT = AnswerVerdict(shown=False, exact_line=False, whole=False, similarity=0.0)


def at(positions, kind):
    return next(position for position in positions if position.kind == kind)


def test_shares(shop):
    positions = sample_positions([shop], 60)
    start, end = at(positions, "line_start"), at(positions, "line_end")
    judged = [(start, RIGHT), (start, WRONG), (start, SILENT), (end, WRONG), (end, SILENT)]
    found = QualityScores(judged, [(shop, Effort(alone=100, keys=60, shown=10, useless=5))]).to_json()
    assert found["positions"] == 5
    assert found["exact_line"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["edit_similarity"] == pytest.approx(0.5)
    assert found["shown"] == pytest.approx(3 / 5)
    assert found["shown_wrong"] == pytest.approx(2 / 5)
    assert found["wrong_of_shown"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["saved_characters"] == pytest.approx(0.4)
    assert found["kinds"]["line_end"]["shown_wrong"] == 0.5
    assert "exact_line" not in found["kinds"]["line_end"]
    assert found["repositories"]["shops"]["saved_characters"] == pytest.approx(0.4)
    assert found["spread"]["exact_line"] == [found["exact_line"]] * 2, "one file has no spread"


class Knowing:
    """Knows the file and runs no model."""

    def __init__(self, truth: str) -> None:
        self.truth = truth

    def close(self, source: object) -> None:
        pass

    def ask(self, source: object, text: str, offset: int) -> TimedAnswer:
        before = text[:offset]
        known = self.truth.startswith(before) and not text[offset : offset + 1].strip()
        return TimedAnswer(self.truth[offset:].partition("\n")[0] if known else "", 0, 0.0, 0.0, None)


def test_perfect_engine_is_always_right(shop):
    judged = judge_all(Knowing(shop.text), sample_positions([shop], 80))
    shown = [verdict for _, verdict in judged if verdict.shown]
    assert len(shown) > 30
    assert all(verdict.exact_line for verdict in shown)
    written = write_all(Knowing(shop.text), sample_passages([shop], 10))
    assert QualityScores(written=written).to_json()["saved_characters"] > 0.5


def test_a_real_engine_is_judged(tiny_engine, shop):
    found = QualityScores(judge_all(HeadlessEditor(tiny_engine), sample_positions([shop], 6))).to_json()
    assert found["positions"] == 6
    assert 0 <= found["shown_wrong"] <= found["shown"] <= 1
