"""The rules together: names, order and what holds for any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.postprocess import BOUNDS, RULES, Draft, Situation
from cg2ls.completion.postprocess.pipeline import Shaper
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger.extent import extent

CODE = st.text(st.sampled_from(list("ab ():\n\r\t\"'=,<|>.")), max_size=60)


def test_names_are_unique_and_the_files():
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule.apply.__module__ == f"cg2ls.completion.postprocess.{rule.name}"


@given(CODE, CODE, CODE, st.booleans())
def test_bounds_only_cut_and_are_settled(before, after, answer, ended):
    cursor = Cursor.at(before + after, len(before))
    situation = Situation(cursor=cursor, extent=extent(cursor, "python"))
    for rule in BOUNDS:
        passed = rule.apply(Draft(answer, ended), situation)
        assert answer.startswith(passed.text)
        assert rule.apply(passed, situation).text == passed.text or rule.name == "rest_of_line"


@given(CODE, CODE, CODE, CODE)
def test_a_complete_answer_stays_what_it_is_whatever_follows(before, after, answer, more):
    cursor = Cursor.at(before + after, len(before))
    shaper = Shaper(situation=Situation(cursor=cursor, extent=extent(cursor, "python")))
    if shaper.is_complete(answer):
        assert shaper.is_complete(answer + more)


@given(CODE, CODE, CODE)
def test_what_is_shown_holds_no_carriage_return_and_covers_one_line_at_most(before, after, answer):
    cursor = Cursor.at(before + after, len(before))
    shaper = Shaper(situation=Situation(cursor=cursor, extent=extent(cursor, "python")))
    shaped = shaper.shape(answer, ended=True)
    assert "\r" not in shaped.text
    assert shaped.covers <= len(cursor.line_after)
    assert shaped.text.strip() or not shaped.text
