import pytest

from cg2ls.retrieval.context.snippet import imported_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from a.b import C, d as e  # f\n", ["C", "d"]),
        ("from . import (\n    a,\n    b,\n)\n", ["a", "b"]),
        ('import { A, b as c } from "./d";\n', ["A", "b"]),
        ("use a::{B, c};\n", ["B", "c"]),
        ("import os\nx = 1\n", []),
        ("from a import b\nfrom c import b\n", ["b"]),
    ],
)
def test_imported_names(text, names):
    assert imported_names(text) == names
