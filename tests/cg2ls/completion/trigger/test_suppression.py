"""When nothing is shown, and why: one row per case."""

from dataclasses import replace

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.kind import find_kind
from cg2ls.completion.trigger.suppression import MAX_LINE_BEFORE_CHARS, TriggerContext, find_suppression

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
def test_silence(art, language, trigger, options, name):
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
