import pytest

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.kind import find_kind


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
