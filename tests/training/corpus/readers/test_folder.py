"""Folders are read with the rules of completion."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cg2_training.corpus.collection import SourceSpec
from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.readers import Place, read


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
