"""Shares of answers."""

from __future__ import annotations

import pytest

from cg2ls.evaluation.quality.judge import AnswerVerdict
from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.scores import QualityScores, judge_all, write_all
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
from cg2ls.evaluation.simulation.simulated_user import Effort, sample_passages

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
    """Knows the file, and asks nobody."""

    def __init__(self, truth: str) -> None:
        self.truth = truth

    def close(self, source: object) -> None:
        pass

    def ask(self, source: object, text: str, offset: int) -> TimedAnswer:
        before = text[:offset]
        known = self.truth.startswith(before) and not text[offset : offset + 1].strip()
        return TimedAnswer(self.truth[offset:].partition("\n")[0] if known else "", 0, 0.0, 0.0, None)


def test_who_knows_the_file_is_always_right(shop):
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
