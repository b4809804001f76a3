"""Collections are read, and invalid ones are refused with a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_training.corpus.collection import SourceSpec, collection_from_paths, load_collection
from cg2_training.errors import CorpusError

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


def test_sources_keep_their_order_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(EXAMPLE)
    collection = load_collection(tmp_path / "c.toml")
    code, notes = collection.sources
    assert (code.name, code.path, code.columns.text) == ("code", f"{tmp_path}/dumps/*.parquet", "body")
    assert (notes.content, notes.licence, notes.heldout) == ("text", "own", 0.1)
    assert collection.benchmarks == (tmp_path / "bench.jsonl",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources = 1", "unknown key 'sources'; the known keys are benchmarks and"),
        ("", "has no source; add a table such as"),
        ("[source.a]\n", r"\[source\.a\] needs a path"),
        ("[source.a]\npath = 'x'\nlicense = 'MIT'", "unknown key 'license'; the known keys are"),
        ("[source.a]\npath = 'x'\nkind = 'zip'", "kind is 'zip'; choose folder, git"),
        ("[source.a]\npath = 'x'\ncontent = 'prose'", "content is 'prose'; choose code, text"),
        ("[source.a]\npath = 'x'\nheldout = 2", "heldout is 2; it must be a number from 0 to below 1"),
        ("[source.a]\npath = 'x'\nlanguages = 'python'", "languages must be a list of strings"),
        (
            "[source.a]\npath = 'x'\ncolumns = { body = 'x' }",
            "columns must be a table of names for some of text, path",
        ),
        ("[source.a]\npath = 'x'\nsecrets = 'keep'", "secrets is 'keep'; choose redact, drop"),
        ("[source.a]\npath = 'x'\npersonal_data = 1", "personal_data is 1; choose redact, keep"),
        ("[source.a]\npath = 'x'\nmax_bytes = 0", "max_bytes is 0; it must be a whole number, 1 or more"),
        ("[source.a]\npath = 'x'\nmax_bytes = true", "max_bytes is True; it must be a whole number"),
        (
            "[source.a]\npath = 'x'\nmax_test_share = 2",
            "max_test_share is 2; it must be a number from 0 to 1",
        ),
        ("[source.'../a']\npath = 'x'", "a name consists of letters, digits"),
        ("[source", "cannot read the collection"),
    ],
)
def test_invalid_collections_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(CorpusError, match=says):
        load_collection(tmp_path / "c.toml")


def test_command_line_paths_get_distinct_names() -> None:
    paths = [Path("a/code.jsonl"), Path("b/code.jsonl"), Path("c/My code")]
    assert [spec.name for spec in collection_from_paths(paths).sources] == ["code", "code-2", "My-code"]


def test_code_and_text_read_different_files() -> None:
    code, text = SourceSpec(name="a", path="a"), SourceSpec(name="b", path="b", content="text")
    names = ["a.py", "b.md", "c.bin", "vendor/d.py", "x/node_modules/e.js", "f.min.js"]
    assert [name for name in names if code.wants(name)] == ["a.py"]
    assert [name for name in names if text.wants(name)] == ["b.md"]
