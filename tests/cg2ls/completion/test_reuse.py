"""Typing along with a suggestion needs no model and leads to the same document."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion import DocumentSession
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.reuse import Suggestion, TypedThrough, predict_cursors

CODE = st.text(st.sampled_from(list("ab ():\n=é😀")), max_size=40)


def cursor_at(art: str) -> Cursor:
    return Cursor.at(art.replace("‸", ""), art.index("‸"))


def cache_of(art: str, text: str, replace_length: int = 0, trigger: str = "automatic") -> TypedThrough:
    cache = TypedThrough()
    cache.add(Suggestion.at(cursor_at(art), text, replace_length, trigger, -1.0))
    return cache


def accepted(cursor: Cursor, text: str, replace_length: int) -> str:
    return cursor.text[: cursor.offset] + text + cursor.text[cursor.offset + replace_length :]


@pytest.mark.parametrize(
    ("made_at", "text", "replace_length", "asked_at", "rest", "covers_then"),
    [
        # keys, accept-word, accept-line
        ("x = ‸\n", "foo(a)", 0, "x = f‸\n", "oo(a)", 0),
        ("x = ‸\n", "foo(a)", 0, "x = foo‸\n", "(a)", 0),
        ("if x:‸\n", "\n    a\n    b", 0, "if x:\n    a‸\n", "\n    b", 0),
        ("x = ‸\n", "foo(a)", 0, "x = ‸\n", "foo(a)", 0),
        # the editor closes what was typed
        ("x = ‸\n", "foo(a, b)", 0, "x = foo(‸)\n", "a, b", 0),
        ("x = ‸\n", "foo(a):", 0, "x = foo(‸)\n", "a):", 1),
        ("x = ‸\n", 'f("a")', 0, 'x = f("‸")\n', "a", 0),
        ("x = ‸\n", "f([a])", 0, "x = f([‸])\n", "a", 0),
        ("x = ‸\n", "f(\n    a\n)", 0, "x = f(‸)\n", "\n    a\n)", 1),
        ("x = ‸\n", "f(a", 0, "x = f(‸)\n", "a", 0),
        # and is stepped over
        ("x = ‸\n", "f(a) + b", 0, "x = f(a)‸\n", " + b", 0),
        ("f(‸)\n", "a):", 1, "f(a‸)\n", "):", 1),
        ("f(‸)\n", "a):", 1, "f(a)‸\n", ":", 0),
        # an empty suggestion is an answer too
        ("x = 1‸\n", "", 0, "x = 1‸\n", "", 0),
    ],
)
def test_typed_prefix_returns_remaining_suggestion(
    made_at, text, replace_length, asked_at, rest, covers_then
):
    (found,) = cache_of(made_at, text, replace_length).find(cursor_at(asked_at), "automatic")
    assert (found.text, found.replace_length) == (rest, covers_then)


@pytest.mark.parametrize(
    ("made_at", "text", "asked_at"),
    [
        ("x = ‸\n", "foo(a)", "x = b‸\n"),
        ("x = ‸\n", "foo(a)", "x = foo(a)‸\n"),
        ("x = ‸\n", "foo(a)", "y = f‸\n"),
        ("x = ‸\n", "foo(a)", "x = f‸ + 1\n"),
        ("x = ‸\n", "foo(a)", "x = f‸\nmore\n"),
        ("x = ‸\n", "foo(a)", "x =‸\n"),
        ("x = 1‸\n", "", "x = 12‸\n"),
        ("x = ‸\n", "f(\n    a", "x = f(‸)\n"),
    ],
)
def test_text_that_differs_from_the_suggestion_returns_nothing(made_at, text, asked_at):
    assert cache_of(made_at, text).find(cursor_at(asked_at), "automatic") == []


def test_automatic_suggestions_do_not_answer_invoked_requests():
    assert cache_of("x = ‸", "a", trigger="automatic").find(cursor_at("x = ‸"), "invoked") == []
    assert cache_of("x = ‸", "a", trigger="invoked").find(cursor_at("x = ‸"), "automatic") != []


def test_several_are_found_the_newest_first_and_each_text_once():
    cache = cache_of("x = ‸", "a")
    for text in ("b", "a"):
        cache.add(Suggestion.at(cursor_at("x = ‸"), text, 0, "automatic", -1.0))
    texts = {
        count: [each.text for each in cache.find(cursor_at("x = ‸"), "automatic", count)]
        for count in (1, 2, 3)
    }
    assert texts == {1: ["a"], 2: ["a", "b"], 3: ["a", "b"]}


@given(CODE, CODE, CODE, st.data())
def test_accepting_the_rest_equals_accepting_all(before, after, text, data):
    cursor = Cursor.at(before + after, len(before))
    replace_length = data.draw(st.integers(0, len(cursor.line_after)))
    cache = TypedThrough()
    cache.add(Suggestion.at(cursor, text, replace_length, "automatic", -1.0))
    typed = text[: data.draw(st.integers(0, len(text)))]
    now = Cursor.at(before + typed + after, len(before + typed))
    found = cache.find(now, "automatic")
    if not found:
        assert typed
        assert not text[len(typed) :].strip()
    else:
        assert accepted(now, found[0].text, found[0].replace_length) == accepted(cursor, text, replace_length)


CLOSED = {"(": ")", "[": "]", "{": "}", '"': '"'}


@given(st.sampled_from(['f(a, "b")', "[x, (y)]", '{"a": [1]}', "g(h(i)) + j[0]", 'f("a", [b])']), st.data())
def test_accepting_the_remaining_part_works_with_an_editor_that_closes_brackets(text, data):
    """Type the suggestion in an editor that inserts closers and steps over them."""
    session_text, offset = "x = \nnext\n", 4
    cache = TypedThrough()
    cache.add(Suggestion.at(Cursor.at(session_text, offset), text, 0, "automatic", -1.0))
    for char in text[: data.draw(st.integers(0, len(text) - 1))]:
        if session_text[offset : offset + 1] == char and char in ')]}"':
            offset += 1
            continue
        session_text = session_text[:offset] + char + CLOSED.get(char, "") + session_text[offset:]
        offset += 1
    now = Cursor.at(session_text, offset)
    found = cache.find(now, "automatic")
    if not found:  # only closers remain, and the document has them
        assert session_text == f"x = {text}\nnext\n"
    else:
        assert accepted(now, found[0].text, found[0].replace_length) == f"x = {text}\nnext\n"


def test_typing_on_and_back_runs_the_model_once(scripted):
    engine = scripted("foo(a, b)\n")
    session = DocumentSession(engine, "python")
    for typed in ["", "f", "fo", "foo", "fo", "f", "foo(", "foo(a, "]:
        text = f"x = {typed}\ny = 1\n"
        found = session.complete(text, 4 + len(typed))
        assert typed + found.text == "foo(a, b)"
        assert found.source == ("typed_through" if typed else "model")
    assert len(engine.requests) == 1


def test_a_suppression_does_not_remove_a_shown_suggestion(scripted):
    session = DocumentSession(scripted("\n  a();\n  b();\n}\n"), "javascript")
    session.complete("f() {\n", 5)
    found = session.complete("f() {\n  a();\n", 12)
    assert found.text == "\n  b();\n}"


def test_offsets_of_the_rest_count_the_documents_own_line_ends(scripted):
    session = DocumentSession(scripted("a):\n"))
    session.complete("x\r\nf()\r\n", 5)
    found = session.complete("x\r\nf(a)\r\n", 6)
    assert (found.text, found.replace_end_offset, found.source) == ("):", 7, "typed_through")


def test_the_rest_of_a_suggestion_that_no_longer_fits_is_a_draft_hint(scripted):
    engine = scripted("foo(alpha, beta)\n")
    session = DocumentSession(engine, "python")
    session.complete("x = \n", 4)
    session.complete("x = foo(gamma, be\n", 17)
    request = engine.requests[-1]
    assert engine.tokenizer.decode(request.draft_hint) == request.forced.decode() + "ta)"


@pytest.mark.parametrize(
    ("art", "text", "replace_length", "states"),
    [
        ("x = ‸\ny\n", "1", 0, ["x = 1‸\ny\n", "x = 1\n‸\ny\n"]),
        ("    x = ‸", "1", 0, ["    x = 1‸", "    x = 1\n    ‸"]),
        ("if ‸\n", "a:", 0, ["if a:‸\n", "if a:\n    ‸\n"]),
        ("f(‸)\n", "a):", 1, ["f(a):‸\n", "f(a):\n    ‸\n"]),
        ("x = ‸ + b\n", "a", 0, ["x = a‸ + b\n"]),
        ("f(‸)\n", "a", 0, ["f(a‸)\n"]),
        ("\tif ‸\n", "a:", 0, ["\tif a:‸\n", "\tif a:\n\t\t‸\n"]),
    ],
)
def test_speculation_predicts_accepting_and_a_new_line(art, text, replace_length, states):
    cursor = Cursor.at(art.replace("‸", ""), art.index("‸"))
    found = [
        f"{state.text[: state.offset]}‸{state.text[state.offset :]}"
        for state in predict_cursors(cursor, text, replace_length, "python")
    ]
    assert found == states


def test_the_completion_after_an_accepted_one_is_known(scripted):
    engine = scripted("1\n")
    session = DocumentSession(engine, "python")
    shown = session.complete("x = \n", 4)
    engine.answer = "\n"  # nothing more on this line
    session.speculate("x = \n", 4, shown)
    ran = len(engine.requests)
    found = session.complete("x = 1\n", 5)
    assert (found.text, found.reason, found.source) == ("", "empty", "typed_through")
    assert session.complete("x = 1\n\n", 6).source == "typed_through"
    assert len(engine.requests) == ran


def test_speculation_stops_on_request_and_keeps_the_anchor(scripted):
    engine = scripted("1\n")
    session = DocumentSession(engine, "python")
    shown = session.complete("x = \n", 4)
    session.speculate("x = \n", 4, shown, stop=lambda: True)
    assert len(engine.requests) == 1
    anchor = session._prompts.anchor
    session.speculate("x = \n", 4, shown)
    assert session._prompts.anchor is anchor


def test_alternatives_are_computed_while_the_user_is_idle(scripted):
    engine = scripted("1\n")
    session = DocumentSession(engine, "python")
    shown = session.complete("x = \n", 4)
    engine.answer = "2\n"  # an invoked request runs the model again
    session.speculate("x = \n", 4, shown, count=3)
    ran = len(engine.requests)
    assert session.complete("x = \n", 4).text == "1"  # while typing, the shown text stays the same
    found = session.complete("x = \n", 4, "invoked", count=3)
    assert (found.text, found.source) == ("2", "typed_through")
    assert session.complete("x = 2\n", 5, "invoked", count=3).source == "model"
    assert len(engine.requests) == ran + 1


def test_known_completions_are_found_without_running_the_model(scripted):
    engine = scripted("foo()\n")
    session = DocumentSession(engine, "python")
    assert session.find_known("x = \n", 4) is None
    session.complete("x = \n", 4)
    assert session.find_known("x = f\n", 5).text == "oo()"
    assert session.find_known("x = 1;\n", 6).reason == "silent"
    assert len(engine.requests) == 1
