"""All rules together: names, order, and properties for any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.postprocess.pipeline import BOUNDS, RULES, Postprocessor
from cg2ls.completion.postprocess.rule import Candidate, RuleContext
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger import choose_extent

CODE = st.text(st.sampled_from(list("ab ():\n\r\t\"'=,<|>.")), max_size=60)


def test_names_of_rules_are_unique():
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


@given(CODE, CODE, CODE, st.booleans())
def test_bounds_only_cut_and_do_not_change_their_result(before, after, answer, ended):
    cursor = Cursor.at(before + after, len(before))
    context = RuleContext(cursor=cursor, extent=choose_extent(cursor, "python"))
    for rule in BOUNDS:
        passed = rule.apply(Candidate(answer, ended), context)
        assert answer.startswith(passed.text)
        assert rule.apply(passed, context).text == passed.text or rule.name == "drop_repeated_rest"


@given(CODE, CODE, CODE, CODE)
def test_a_complete_answer_stays_complete_with_more_text(before, after, answer, more):
    cursor = Cursor.at(before + after, len(before))
    postprocessor = Postprocessor(context=RuleContext(cursor=cursor, extent=choose_extent(cursor, "python")))
    if postprocessor.is_complete(answer):
        assert postprocessor.is_complete(answer + more)


@given(CODE, CODE, CODE)
def test_shown_text_has_no_carriage_return_and_replaces_at_most_one_line(before, after, answer):
    cursor = Cursor.at(before + after, len(before))
    postprocessor = Postprocessor(context=RuleContext(cursor=cursor, extent=choose_extent(cursor, "python")))
    processed = postprocessor.process(answer, ended=True)
    assert "\r" not in processed.text
    assert processed.replace_length <= len(cursor.line_after)
    assert processed.text.strip() or not processed.text
