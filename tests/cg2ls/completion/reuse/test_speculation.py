"""The next completion is prepared before it is requested."""

from __future__ import annotations

import pytest

from cg2ls.completion import DocumentSession
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.reuse.speculation import predict_cursors


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
def test_accepting_and_enter_are_predicted(art, text, replace_length, states):
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


def test_known_completions_are_found_without_running_the_model(scripted):
    engine = scripted("foo()\n")
    session = DocumentSession(engine, "python")
    assert session.find_known("x = \n", 4) is None
    session.complete("x = \n", 4)
    assert session.find_known("x = f\n", 5).text == "oo()"
    assert session.find_known("x = 1;\n", 6).reason == "silent"
    assert len(engine.requests) == 1
