"""JSON lines and Parquet with the columns of The Stack and StarCoderData, and damaged files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.readers import Place, detect_kind, read
from cg2_training.corpus.readers.dumps import Columns
from cg2_training.errors import CorpusError

STACK = {
    "hexsha": "00",
    "size": 11,
    "ext": "py",
    "lang": "Python",
    "max_stars_repo_path": "src/one.py",
    "max_stars_repo_name": "someone/thing",
    "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
    "content": "one = 1\n",
}
STARCODER = {
    "max_stars_repo_path": "a.py",
    "max_stars_repo_name": "b/c",
    "max_stars_count": 3,
    "id": "7",
    "content": "<reponame>b/c<filename>a.py<gh_stars>1-10\ntwo = 2\n",
}
EXPECTED = SourceDocument(
    "one = 1\n",
    "src/one.py",
    language="Python",
    licences=("MIT", "Apache-2.0"),
    repository="someone/thing",
)


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".zst":
        half = len(rows) // 2
        frames = [zstandard.compress(lines(rows[:half])), zstandard.compress(lines(rows[half:]))]
        path.write_bytes(b"".join(frames))
    else:
        path.write_bytes(gzip.compress(lines(rows)) if path.suffix == ".gz" else lines(rows))
    return path


def found(path: Path, columns: Columns | None = None) -> list[SourceDocument | Dropped]:
    return list(read(Place(path, detect_kind(path)), lambda _: True, columns=columns))


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "d.jsonl.zst", "d.parquet"])
def test_the_stacks_columns_are_known(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [STACK, STACK | {"content": "two = 2\n"}])
    first, second = found(path)
    assert first == EXPECTED
    assert isinstance(second, SourceDocument)
    assert second.data == "two = 2\n"


@pytest.mark.parametrize("name", ["d.jsonl", "d.parquet"])
def test_starcoderdatas_marks_are_not_part_of_the_text(tmp_path: Path, name: str) -> None:
    (document,) = found(write(tmp_path / name, [STARCODER]))
    assert document == SourceDocument("two = 2\n", "a.py", repository="b/c")


@pytest.mark.parametrize("name", ["d.jsonl", "d.parquet"])
def test_a_row_without_content_is_counted(tmp_path: Path, name: str) -> None:
    rows = [STACK, STACK | {"content": None}, STACK | {"content": ""}]
    assert found(write(tmp_path / name, rows))[1:] == [Dropped("no text"), Dropped("no text")]


def test_a_row_that_lacks_the_column_is_counted(tmp_path: Path) -> None:
    assert found(write(tmp_path / "d.jsonl", [STACK, {"path": "x"}, STACK]))[1] == Dropped("no text")


@pytest.mark.parametrize("name", ["d.jsonl", "d.parquet"])
def test_unknown_columns_are_named_and_can_be_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [{"body": "x = 1\n", "ext": "rs"}])
    with pytest.raises(CorpusError, match=r"has no known column of text among body, ext; set columns\.text"):
        found(path)
    assert found(path, Columns(text="body")) == [SourceDocument("x = 1\n", "row-1.rs")]
    with pytest.raises(CorpusError, match="has no column 'main'; its columns are: body, ext"):
        found(path, Columns(text="main"))


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.jsonl.zst", "d.parquet"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name, [STACK | {"size": n, "content": f"{n * n} = {n}"} for n in range(400)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(
        CorpusError, match=r"(cut off|damaged|not a complete Parquet file).*; fetch it again\.$"
    ):
        found(path)


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.jsonl.zst", "d.parquet"])
def test_a_file_of_other_bytes_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"these bytes are something else" * 20)
    with pytest.raises(CorpusError, match=rf"{name} .*; fetch it again\.$"):
        found(tmp_path / name)


@pytest.mark.parametrize(
    ("line", "says"), [(b"{", "line 2: not JSON"), (b"[1]", "line 2: not a JSON object")]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, says: str) -> None:
    (tmp_path / "d.jsonl").write_bytes(lines([STACK]) + line + b"\n")
    with pytest.raises(CorpusError, match=says):
        found(tmp_path / "d.jsonl")


def test_licences_may_be_a_list_a_word_or_json(tmp_path: Path) -> None:
    column = "max_stars_repo_licenses"
    rows = [STACK | {column: "MIT"}, STACK | {column: '["MIT", "0BSD"]'}, STACK | {column: None}]
    drafts = found(write(tmp_path / "d.jsonl", rows))
    assert [one.licences for one in drafts if isinstance(one, SourceDocument)] == [
        ("MIT",),
        ("MIT", "0BSD"),
        (),
    ]
