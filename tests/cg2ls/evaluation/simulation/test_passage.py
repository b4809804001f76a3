"""The text on the screen after every key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.simulation.passage import CLOSERS, Passage, find_closers


def screens(passage: Passage) -> list[tuple[str, str]]:
    """Every key with the screen after it, the cursor as |."""
    found = []
    while not passage.finished:
        stroke = passage.press_next_key()
        found.append((stroke, f"{passage.left}|{passage.right}"))
        assert len(found) < 20 * len(passage.target) + 20, "it never ends"
    return found


def test_a_bracket_is_closed_at_once_and_typed_over():
    assert screens(Passage("\nf(a)")) == [
        ("enter", "\n|"),
        ("type", "\nf|"),
        ("type", "\nf(|)"),
        ("type", "\nf(a|)"),
        ("over", "\nf(a)|"),
    ]


def test_a_closer_that_is_not_wanted_is_deleted():
    assert screens(Passage("\nf(a"))[-3:] == [
        ("type", "\nf(|)"),
        ("delete", "\nf(|"),
        ("type", "\nf(a|"),
    ]


def test_brackets_are_not_closed_before_a_quote():
    assert ("type", "\n'(|'") in screens(Passage("\n'('"))


def test_enter_between_brackets_makes_three_lines():
    assert screens(Passage("\nf(\n    a,\n)"))[2:] == [
        ("type", "\nf(|)"),
        ("enter", "\nf(\n    |\n)"),
        ("type", "\nf(\n    a|\n)"),
        ("type", "\nf(\n    a,|\n)"),
        ("move", "\nf(\n    a,\n|)"),
        ("over", "\nf(\n    a,\n)|"),
    ]


def test_unwanted_line_break_before_a_closer_is_removed():
    assert screens(Passage("\nf(\n    a)"))[-3:] == [
        ("type", "\nf(\n    a|\n)"),
        ("delete", "\nf(\n    a|)"),
        ("over", "\nf(\n    a)|"),
    ]


def test_new_lines_are_indented_and_blank_ones_left_empty():
    assert screens(Passage("\nx\n\ny", line_above="def f():"))[0] == ("enter", "\n    |")
    assert [screen for _, screen in screens(Passage("\n    x\n\n    y", line_above="def f():"))] == [
        "\n    |",
        "\n    x|",
        "\n    x\n    |",
        "\n    x\n\n    |",
        "\n    x\n\n    y|",
    ]


def test_indentation_is_changed_a_step_a_key():
    assert [stroke for stroke, _ in screens(Passage("\ny", line_above="        x"))] == [
        "enter",
        "dedent",
        "dedent",
        "type",
    ]
    assert [stroke for stroke, _ in screens(Passage("\n    y", line_above="x"))] == [
        "enter",
        "indent",
        "type",
    ]


def test_after_return_an_editor_dedents():
    assert screens(Passage("\ny", line_above="    return x"))[0] == ("enter", "\n|")


def test_a_slip_is_taken_back():
    passage = Passage("\nab")
    passage.advance(2)
    assert passage.press_wrong_key("x") == "slip"
    assert passage.left == "\nax"
    assert passage.press_next_key() == "backspace"
    assert passage.left == "\na"


@given(
    st.text(st.sampled_from("ab()[]{}\"'#:\\ \t\n"), max_size=60), st.sampled_from(["", "  f(", "\tif x:"])
)
def test_any_passage_ends_as_the_target(text, above):
    passage = Passage("\n" + text + "x", above)
    screens(passage)
    assert passage.left == passage.target
    assert not passage.right


@given(st.data())
def test_accepting_what_fits_leads_to_the_target_too(data):
    target = "\n" + data.draw(st.text(st.sampled_from("ab()'\n "), max_size=30)) + "x"
    passage = Passage(target)
    while not passage.finished:
        length = data.draw(st.integers(0, 12))
        offer = target[len(passage.left) :][:length] if target.startswith(passage.left) else ""
        replace_length = next(
            (size for size in range(len(passage.right) + 1) if passage.accepts(offer, size)), None
        )
        if offer and replace_length is not None:
            passage.insert(offer, replace_length)
            assert passage.left.startswith(target[: passage.done])
        else:
            passage.press_next_key()
    assert passage.left == target
    assert not passage.right


def test_what_does_not_fit():
    passage = Passage("\nf(a, b)")
    passage.advance(3)
    assert passage.right == ")"
    assert passage.accepts("a, b", 0)
    assert passage.accepts("a, b)", 1)
    assert not passage.accepts("a, b)", 0), "the closer would be there twice"
    assert not passage.accepts("b", 0)


def test_a_passage_is_made_of_lines():
    for wrong in ("x", "\nx\n", ""):
        with pytest.raises(ValueError, match="line end"):
            Passage(wrong)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("f(a)", {1: 3}),
        ("f(a[0])", {1: 6, 3: 5}),
        ("f(a", {1: None}),
        ("a)", {}),
        ("x = 'a'", {4: 6}),
        ("x = f'a'", {5: 7}),
        ("don't", {}),
        ("# it's (so)", {7: 10}),
        ("x = 'it\\'s'", {4: 10}),
        ("x = '('", {4: 6, 5: None}),
        ("x = '\ny'", {4: None}),
        ('"""a (b) "c"."""', {5: 7}),
        ("(]", {0: None}),
    ],
)
def test_pairs(code, found):
    assert find_closers(code) == found


def test_comments_are_the_language_s():
    assert find_closers("// it's 'x", "//") == {}


@given(st.text(st.sampled_from("()[]{}\"'\\#ab \n"), max_size=60))
def test_closers_close_their_openers_in_proper_nesting(code):
    pairs = [(start, end) for start, end in find_closers(code).items() if end is not None]
    for start, end in pairs:
        assert start < end
        assert code[end] == CLOSERS[code[start]]
        assert all(not start < other < end < last for other, last in pairs)
