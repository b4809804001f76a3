"""The text that a request shows with all rules together: one row per kind of wrong answer."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.completion.postprocess.rule import RuleContext
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.region import find_kind
from cg2ls.completion.trigger import choose_extent

COUNTING = ", ".join(["'b': 2", *(f"'c': {number}" for number in range(3, 20))])
NOT_FOUND = 'return jsonify({"error": "not found"}), 404'

TABLE = [
    # art, the model's text, the resulting document
    ("x = compu‸te_total(order, tax)\n", "te_total(order, total)\n", "x = compute_total(order, tax)\n"),
    ("self.it‸ems.append(item)\n", "ems.append(value)\n", "self.items.append(item)\n"),
    (
        "def g(pathname, r‸ecursive, dironly,\n      more):\n    pass\n",
        "ecursive, dironly, include_hidden):\n",
        "def g(pathname, recursive, dironly,\n      more):\n    pass\n",
    ),
    ("x = f(pa‸th)\n", 'th, mode="r")\n', 'x = f(path, mode="r")\n'),
    ("a = 1\n‸\nb = 2\nc = 3\n", "    x = 2\n", "a = 1\n\nb = 2\nc = 3\n"),
    ("a = 1\n‸\nb = 2\nc = 3\n", "x = f(a=1, 2)\n", "a = 1\nx = f(a=1,\nb = 2\nc = 3\n"),
    ("a = 1\n‸\nb = 2\nc = 3\n", "print 'a'\n", "a = 1\nprint\nb = 2\nc = 3\n"),
    ("a = 1\n‸\nb = 2\nc = 3\n", "return a\n", "a = 1\n\nb = 2\nc = 3\n"),
    (
        'def f(x):\n    """‸\n    return x\n',
        'Return x."""\n    return x\n',
        'def f(x):\n    """Return x."""\n    return x\n',
    ),
    (
        'def f(x):\n    """‸\n    return x\n',
        "Return x.\n\n    Args:\n",
        'def f(x):\n    """Return x.\n    return x\n',
    ),
    (
        "def f(x):\n    ‸\n    return x\n",
        '"""Return x.\n\n\n    Args:\n        x: a number.\n',
        'def f(x):\n    """Return x."""\n    return x\n',
    ),
    (
        f"def f(x):\n    if x:\n        {NOT_FOUND}\n        ‸\n",
        f"{NOT_FOUND}\n",
        f"def f(x):\n    if x:\n        {NOT_FOUND}\n        \n",
    ),
    ("def f(x):\n    g(x, 1)\n    ‸\n", "g(x, 1)\n    g(x, 2)\n", "def f(x):\n    g(x, 1)\n    \n"),
    ("x = {\n    'a': 1,\n    ‸\n}\n", f"{COUNTING}\n", "x = {\n    'a': 1,\n    'b': 2, 'c': 3,\n}\n"),
    ("‸", "_name,\n", ""),
    ("\ufeff‸\n\n", "H_OPT_DATA_SCOPES,\n", "\ufeff\n\n"),
]


@pytest.mark.parametrize(("art", "answer", "becomes"), TABLE)
def test_accepting_the_shown_text_gives_the_expected_document(scripted, art, answer, becomes):
    text, offset = art.replace("‸", ""), art.index("‸")
    session = DocumentSession(scripted(answer, anchor_max_tokens=20), "python", CompletionOptions())
    shown = session.complete(text, offset, "invoked")
    assert text[:offset] + shown.text + text[shown.replace_end_offset :] == becomes
    if not shown.text:
        assert shown.replace_end_offset == offset


def compiles(code: str) -> bool:
    try:
        compile(code, "<code>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


STATEMENTS = [
    "x = 1",
    "def f(a):\n    return a",
    "if x:\n    y = 2\nelse:\n    y = 3",
    "for x in y:\n    break",
    'class A:\n    """Say so."""\n\n    def g(self):\n        return {\n            "a": 1,\n        }\n',
    "x = [\n    1,\n    2,\n]",
    'try:\n    f("""a\n  b""")\nexcept E:\n    pass',
]
ANSWERED = [
    "x = 1",
    "    y = f(x)",
    "def f(a):",
    "    return a",
    "return a",
    "if x:",
    "        break",
    '"""Say so.',
    "",
    "f(a=1, 2)",
    "print 'a'",
    "x = [1,",
    "]",
    "try:",
    "except E:",
    "else:",
    "1: 2,",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(STATEMENTS), max_size=5),
    st.integers(0, 30),
    st.sampled_from(["", "    ", "        "]),
    st.lists(st.sampled_from(ANSWERED), min_size=1, max_size=4),
    st.booleans(),
)
@example(["x = 1", "x = 1"], 1, "", ["    y = f(x)"], True)
@example([], 0, "", ["    y = f(x)"], True)
def test_code_that_compiled_compiles_with_the_shown_text(statements, number, blanks, answer, invoked):
    """A header or a bracket at the end is an exception, since the next line may complete it."""
    lines = "\n".join(statements).split("\n")
    head = "".join(f"{line}\n" for line in lines[:number]) + blanks
    tail = "".join(f"\n{line}" for line in lines[number:])
    assert compiles(head + tail)
    cursor = Cursor(head + tail, len(head))
    grammar = load_grammar("python")
    context = RuleContext(
        cursor=cursor,
        extent=choose_extent(cursor, "python", lambda: find_kind(cursor, grammar)),
        trigger="invoked" if invoked else "automatic",
        language="python",
        grammar=grammar,
    )
    shown = Postprocessor(context=context).process("\n".join(answer), ended=True).text
    if not compiles(head + shown + tail):
        assert shown.endswith((":", ",", "[", "(")) or "try:" in shown
