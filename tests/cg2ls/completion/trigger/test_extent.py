import pytest

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.kind import find_kind
from cg2ls.completion.trigger.extent import choose_extent


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
