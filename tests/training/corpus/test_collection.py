"""A collection says what it cannot understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_training.corpus.collection import SourceSpec, collection_of, load_collection
from cg2_training.corpus.errors import CorpusError

EXAMPLE = """
benchmarks = ["bench.jsonl"]
[source.code]
path = "dumps/*.parquet"
languages = ["python"]
columns = { text = "body" }
[source.notes]
path = "notes"
content = "text"
licence = "own"
heldout = 0.1
"""


def test_sources_keep_their_order_and_paths_are_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(EXAMPLE)
    collection = load_collection(tmp_path / "c.toml")
    code, notes = collection.sources
    assert (code.name, code.path, code.columns.text) == ("code", f"{tmp_path}/dumps/*.parquet", "body")
    assert (notes.content, notes.licence, notes.heldout) == ("text", "own", 0.1)
    assert collection.benchmarks == (tmp_path / "bench.jsonl",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources = 1", "unknown key 'sources'; known are benchmarks and"),
        ("", "names no source; add a table such as"),
        ("[source.a]\n", r"\[source\.a\] needs a path"),
        ("[source.a]\npath = 'x'\nlicense = 'MIT'", "unknown key 'license'; known are"),
        ("[source.a]\npath = 'x'\nkind = 'zip'", "kind is 'zip'; choose folder, git"),
        ("[source.a]\npath = 'x'\ncontent = 'prose'", "content is 'prose'; choose code, text"),
        ("[source.a]\npath = 'x'\nheldout = 2", "heldout is 2, but is a part between 0 and 1"),
        ("[source.a]\npath = 'x'\nlanguages = 'python'", "languages must be a list of strings"),
        ("[source.a]\npath = 'x'\ncolumns = { body = 'x' }", "columns gives names for some of text, path"),
        ("[source.'../a']\npath = 'x'", "a name has letters, digits"),
        ("[source", "cannot read the collection"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(CorpusError, match=says):
        load_collection(tmp_path / "c.toml")


def test_paths_on_the_command_line_get_names_of_their_own() -> None:
    paths = [Path("a/code.jsonl"), Path("b/code.jsonl"), Path("c/My code")]
    assert [spec.name for spec in collection_of(paths).sources] == ["code", "code-2", "My-code"]


def test_code_and_text_want_different_files() -> None:
    code, text = SourceSpec(name="a", path="a"), SourceSpec(name="b", path="b", content="text")
    names = ["a.py", "b.md", "c.bin", "vendor/d.py", "x/node_modules/e.js", "f.min.js"]
    assert [name for name in names if code.wants(name)] == ["a.py"]
    assert [name for name in names if text.wants(name)] == ["b.md"]
