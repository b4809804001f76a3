"""The wait follows the user and the model, and is always a number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion import CompletionOptions
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.region import find_kind
from cg2ls.completion.trigger import (
    MAX_LINE_BEFORE_CHARS,
    MAX_WAIT_S,
    Debounce,
    TriggerContext,
    choose_extent,
    find_suppression,
)

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True))


def typed(gap: float, answer: float | None) -> Debounce:
    debounce = Debounce()
    for number in range(20):
        debounce.record_key(number * gap)
    if answer is not None:
        debounce.record_answer(answer)
    return debounce


def test_answers_that_come_between_two_keys_need_no_wait():
    assert typed(0.2, 0.05).compute_wait() == 0


def test_slow_answers_wait_for_a_pause():
    assert 0.2 < typed(0.2, 2.0).compute_wait() <= 0.3
    assert typed(0.1, 2.0).compute_wait() < typed(0.2, 2.0).compute_wait()


def test_there_is_no_wait_before_the_first_answer():
    assert Debounce().compute_wait() == 0
    assert typed(0.2, None).compute_wait() == 0


def test_a_pause_does_not_change_the_wait():
    debounce = typed(0.1, 2.0)
    before = debounce.compute_wait()
    debounce.record_key(1000.0)
    assert debounce.compute_wait() == before


@given(NUMBERS, NUMBERS)
def test_the_wait_is_always_a_number_within_the_limit(keys, answers):
    debounce = Debounce()
    for now in keys:
        debounce.record_key(now)
    for seconds in answers:
        debounce.record_answer(seconds)
    assert 0 <= debounce.compute_wait() <= MAX_WAIT_S


DEFAULTS = CompletionOptions()
OFF = CompletionOptions(enable=False)
ASKED = CompletionOptions(automatic=False)
QUIET = CompletionOptions(comments=False)
ANY = CompletionOptions(unknown_languages=True)
TABLE = [
    ("x = ‸\n", "python", "automatic", DEFAULTS, None),
    ("x = ‸\n", "python", "invoked", OFF, "off"),
    ("x = ‸\n", "python", "automatic", ASKED, "only_on_request"),
    ("x = ‸\n", "python", "invoked", ASKED, None),
    ("x = ‸\n", "java", "automatic", DEFAULTS, "unknown_language"),
    ("x = ‸\n", "java", "invoked", DEFAULTS, "unknown_language"),
    ("x = ‸\n", "java", "automatic", ANY, None),
    ("x = ‸\n", "", "automatic", DEFAULTS, None),
    ("x = ‸\n", "javascriptreact", "automatic", DEFAULTS, None),
    ("  ‸\n", "python", "automatic", DEFAULTS, "empty_document"),
    ("  ‸\n", "python", "invoked", DEFAULTS, "empty_document"),
    ("x = ‸name\n", "python", "automatic", DEFAULTS, "before_word"),
    ("x = na‸_me\n", "python", "automatic", DEFAULTS, "before_word"),
    ("x = ‸ name\n", "python", "automatic", DEFAULTS, None),
    ("x = na‸me\n", "python", "invoked", DEFAULTS, None),
    ("call(‸)\n", "python", "automatic", DEFAULTS, None),
    ("call();‸\n", "javascript", "automatic", DEFAULTS, "after_statement"),
    ("a(() => {}); ‸\n", "javascript", "automatic", DEFAULTS, "after_statement"),
    ("for (;‸) {}\n", "javascript", "automatic", DEFAULTS, None),
    ("# abc ‸\n", "python", "automatic", QUIET, "in_comment"),
    ("def f():\n    'abc ‸'\n", "python", "automatic", QUIET, "in_comment"),
    ("x = 'abc ‸'\n", "python", "automatic", QUIET, None),
    ("# abc ‸\n", "python", "automatic", DEFAULTS, None),
    ("# abc ‸\n", "python", "invoked", QUIET, None),
    ("x" * (MAX_LINE_BEFORE_CHARS + 1) + "‸", "python", "automatic", DEFAULTS, "long_line"),
]


@pytest.mark.parametrize(("art", "language", "trigger", "options", "name"), TABLE)
def test_suppressed_places_have_a_reason(art, language, trigger, options, name):
    cursor = Cursor.at(art.replace("‸", ""), art.index("‸"))
    known = ("python", "javascript")
    asked = TriggerContext(
        cursor=cursor,
        language=language,
        known_languages=known,
        trigger=trigger,
        options=options,
        kind_of=lambda: find_kind(cursor, load_grammar(language)),
    )
    found = find_suppression(asked)
    assert (found and found.name) == name
    if found is not None:
        assert found.message.endswith(".")
        off = replace(options, disabled_rules=frozenset({name}))
        assert find_suppression(replace(asked, options=off)) is None


def test_a_model_without_a_list_of_languages_answers_in_all():
    cursor = Cursor.at("x = ", 4)
    assert (
        find_suppression(
            TriggerContext(
                cursor=cursor, language="c", known_languages=(), trigger="automatic", options=DEFAULTS
            )
        )
        is None
    )


@pytest.mark.parametrize(
    ("art", "language", "expected"),
    [
        ("x = ‸", "python", "line"),
        ("    ‸", "python", "block"),
        ("if x:‸", "python", "block"),
        ("if x:‸\n", "", "block"),
        ("case x:‸", "c", "line"),
        ("if (x) {‸", "c", "block"),
        ("f(‸", "python", "block"),
        ("f(‸)", "python", "line"),
        ("    ‸return", "python", "line"),
        ("x = [  ‸  ", "python", "block"),
        ("if x:‸\n    y\n", "python", "line"),
        ("if x:‸\ny\n", "python", "block"),
        ("    if x:‸\n    y\n", "python", "block"),
        ('def f():\n    """a\n    ‸\n    """\n', "python", "line"),
        ("/* a\n‸\n*/\n", "javascript", "line"),
        ("function f() {\n  ‸\n}\n", "javascript", "block"),
    ],
)
def test_extent(art, language, expected):
    cursor = Cursor.at(art.replace("‸", ""), art.index("‸"))
    assert choose_extent(cursor, language, lambda: find_kind(cursor, load_grammar(language))) == expected
