"""The region that is parsed is cut between definitions and limited in a long file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.region import MAX_REGION_LINES, find_kind, find_region


def at(art: str) -> Cursor:
    return Cursor.at(art.replace("‸", ""), art.index("‸"))


@given(
    st.text(st.sampled_from(list("ab \n(")), max_size=80),
    st.text(st.sampled_from(list("ab \n(")), max_size=80),
)
def test_a_short_document_is_its_own_region(before, after):
    region = find_region(Cursor.at(before + after, len(before)))
    assert region.with_text("") == before + after
    assert region.with_text("x") == before + "x" + after


def test_a_long_document_is_cut_where_a_definition_begins():
    functions = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(400))
    middle = functions.index("return 200") + len("return ")
    region = find_region(Cursor.at(functions, middle))
    assert region.above.startswith("def f")
    assert region.line_before == "    return "
    assert region.above.count("\n") <= MAX_REGION_LINES
    assert region.below.count("\n") <= MAX_REGION_LINES
    assert region.below.rstrip().split("\n")[-1].startswith("    return")


def test_a_large_class_is_cut_between_methods():
    methods = "".join(f"    def f{number}(self):\n        return {number}\n\n" for number in range(400))
    text = f"class A:\n{methods}\n\nx = 1\n"
    region = find_region(Cursor.at(text, text.index("return 200")))
    assert region.above.startswith("    def f")
    assert "x = 1" not in region.below


def test_the_cursors_line_can_be_replaced_by_a_filler():
    region = find_region(at("if a:\n    b = ‸\n    c\n"))
    assert region.without_line("pass") == "if a:\n    pass\n    c\n"
    assert not region.holds_deeper_line_below
    assert find_region(at("if a‸\n\n    b\n")).holds_deeper_line_below


def test_the_closest_piece_is_a_function():
    functions = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(400))
    closest = find_region(Cursor.at(functions, functions.index("200\n"))).closest
    assert closest.with_text("") == "def f200():\n    return 200\n\n"


def test_continuations_belong_to_their_statement():
    text = "a = 1\nif a:\n    b\nelse:\n    c = ‸\nd = 2\n"
    assert find_region(at(text)).closest.with_text("") == "if a:\n    b\nelse:\n    c = "


@given(
    st.text(st.sampled_from(list("ab \n(")), max_size=80),
    st.text(st.sampled_from(list("ab \n(")), max_size=80),
)
def test_the_closest_piece_is_part_of_the_region(before, after):
    region = find_region(Cursor.at(before + after, len(before)))
    assert region.above.endswith(region.closest.above)
    assert region.below.startswith(region.closest.below)


@pytest.mark.parametrize(
    ("art", "language", "kind"),
    [
        ("x = 1‸\n", "python", "code"),
        ("x = 1  # abc‸\n", "python", "comment"),
        ("x = 'a‸b'\n", "python", "string"),
        ("x = 'ab'‸\n", "python", "code"),
        ("'''a\n\n‸\nb'''\n", "python", "documentation"),
        ("x = f'{a‸}'\n", "python", "code"),
        ("‸", "python", "code"),
        ("const a = `b${c‸}`;\n", "javascript", "code"),
        ("const a = `b‸`;\n", "javascript", "string"),
        ("/** a‸ */\n", "javascript", "comment"),
        ("// a‸\n", "plaintext", "comment"),
        ("a‸\n", "plaintext", "code"),
    ],
)
def test_the_kind_of_text_at_the_cursor(art, language, kind):
    cursor = Cursor.at(art.replace("‸", ""), art.index("‸"))
    assert find_kind(cursor, load_grammar(language)) == kind
