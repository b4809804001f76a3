import pytest

from cg2ls.completion.cursor import Cursor
from cg2ls.completion.mode import extent


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
    ],
)
def test_extent(art, language, expected):
    assert extent(Cursor.at(art.replace("‸", ""), art.index("‸")), language) == expected
