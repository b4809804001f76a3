"""The kind of a source is detected from its path, and folders are read with the rules of completion."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cg2_training.corpus.collection import SourceSpec
from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.readers import Place, detect_kind, find_places, read
from cg2_training.errors import CorpusError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.whl", "wheel"),
        ("a-1.0.tar.gz", "sdist"),
        ("a.jsonl", "jsonl"),
        ("a.json.gz", "jsonl"),
        ("a.jsonl.zst", "jsonl"),
        ("a.parquet", "parquet"),
    ],
)
def test_kind_of_a_file_is_detected_by_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).touch()
    assert detect_kind(tmp_path / name) == kind


def test_kind_of_a_folder_is_detected_by_content(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "dumps" / "python").mkdir(parents=True)
    for number in (1, 0):
        (tmp_path / "dumps" / "python" / f"{number}.parquet").touch()
    kinds = [
        [place.kind for place in find_places(str(tmp_path / name))] for name in ("code", "clone", "dumps")
    ]
    assert kinds == [["folder"], ["git"], ["parquet", "parquet"]]


def test_a_glob_names_files_in_order(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "c.txt"):
        (tmp_path / name).touch()
    assert [place.path.name for place in find_places(f"{tmp_path}/*.parquet")] == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(("name", "says"), [("none", "matches nothing"), ("*.rar", "matches nothing")])
def test_missing_path_is_named(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        find_places(str(tmp_path / name))


def test_a_file_of_no_known_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.rar").touch()
    with pytest.raises(CorpusError, match=r"is not a known kind of source; name a folder .*\.parquet"):
        detect_kind(tmp_path / "a.rar")


def test_ignored_files_links_and_secrets_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("made/\n")
    for name in ("a.py", "sub/b.rs", "made/c.py", "vendor/d.py", "secrets/e.py", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    spec = SourceSpec(name="x", path=str(tmp_path))
    found = list(read(Place(tmp_path, "folder"), spec.wants))
    assert [one for one in found if isinstance(one, SourceDocument)] == [
        SourceDocument(b"a.py", "a.py"),
        SourceDocument(b"sub/b.rs", "sub/b.rs"),
    ]
    reasons = Counter(one.reason for one in found if isinstance(one, Dropped))
    assert reasons == {"folder: link": 1, "folder: ignored": 1, "folder: secret name": 1}


def test_missing_folder_is_named(tmp_path: Path) -> None:
    spec = SourceSpec(name="x", path=str(tmp_path / "gone"))
    with pytest.raises(CorpusError, match="gone matches nothing; name a folder"):
        spec.places()
