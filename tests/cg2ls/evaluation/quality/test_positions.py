"""Positions at which answers are scored."""

from __future__ import annotations

from collections import Counter

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.quality.positions import NOTHING_TO_WRITE, SHARES, sample_positions
from cg2ls.evaluation.simulation.sources import SourceFile


@pytest.fixture(scope="module")
def two(shop):
    return [shop, SourceFile("other", "shop.py", "python", shop.text.replace("shop", "market"))]


@pytest.fixture(scope="module")
def positions(two):
    return sample_positions(two, 300)


def test_repositories_take_turns_and_all_kinds_appear(positions):
    assert Counter(position.source.repository for position in positions) == {"shops": 150, "other": 150}
    assert {position.kind for position in positions} == SHARES.keys()


def test_the_cursor_is_at_a_place_of_the_stated_kind(positions):
    for position in positions:
        text, offset = position.get_place()
        line = text[:offset].rpartition("\n")[2]
        rest = position.passage.target[len(position.passage.left) :].partition("\n")[0]
        if position.kind == "line_start":
            assert not line.strip()
            assert rest.strip()
        elif position.kind == "word_start":
            assert rest[0].isalnum() or rest[0] == "_"
            assert not line[-1].isalnum()
        elif position.kind == "in_word":
            assert line[-1].isalnum() or line[-1] == "_"
            assert rest[0].isalnum() or rest[0] == "_"
        elif position.kind == "after_open":
            assert line[-1] in "([{\"'"
            assert text[offset]
        elif position.kind == "line_end":
            assert not rest.strip()
        else:
            assert line
            assert not line.strip()
            assert not position.passage.target.startswith(position.passage.left)


def test_inserting_the_true_text_restores_the_file(positions):
    for position in sample_positions([position.source for position in positions[:2]], 40, seed=1):
        position.passage.advance(len(position.passage.target))
        assert position.source.text.startswith(position.file.text[:-1])
        if position.below != "nothing":
            assert position.file.text == position.source.text


def test_a_repository_s_places_do_not_depend_on_the_others(two, positions):
    alone = sample_positions(two[:1], 30)
    together = [position for position in positions if position.source.repository == "shops"]
    assert [one.get_place() for one in alone] == [one.get_place() for one in together[:30]]


def test_kinds_without_missing_text_are_kinds_with_shares():
    assert SHARES.keys() > NOTHING_TO_WRITE


def test_no_place_is_an_error():
    with pytest.raises(EvaluationError, match="No file has"):
        sample_positions([SourceFile("r", "a.py", "python", "x")], 3)
