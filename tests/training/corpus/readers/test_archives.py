"""Files and licences of wheels and sdists are read without unpacking them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cg2_training.corpus.document import SourceDocument
from cg2_training.corpus.readers.archives import read_sdist, read_wheel
from cg2_training.errors import CorpusError
from tests.training.corpus.corpus_samples import make_wheel


def python(path: str) -> bool:
    return path.endswith(".py")


def make_sdist(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"thing-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("thing-1.0/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def test_a_wheels_files_are_under_its_licence(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "thing", {"thing/b.py": "b = 1", "thing/a.py": "a = 1", "thing/a.txt": "no"})
    expected = [SourceDocument(f"{n} = 1".encode(), f"thing/{n}.py", licences=("MIT",)) for n in "ab"]
    assert list(read_wheel(wheel, python)) == expected


def test_an_sdists_files_are_under_its_licence(tmp_path: Path) -> None:
    files = {
        "setup.py": "setup = 1",
        "PKG-INFO": "Metadata-Version: 2.4\nName: thing\nLicense-Expression: MIT\n",
    }
    assert list(read_sdist(make_sdist(tmp_path, files), python)) == [
        SourceDocument(b"setup = 1", "setup.py", licences=("MIT",))
    ]


def test_a_copyleft_archive_gives_a_licence_that_is_refused(tmp_path: Path) -> None:
    files = {"a.py": "a = 1", "PKG-INFO": "Metadata-Version: 2.1\nName: thing\nLicense: GPLv3\n"}
    (document,) = read_sdist(make_sdist(tmp_path, files), python)
    assert isinstance(document, SourceDocument)
    assert document.licences == ("LicenseRef-not-permissive",)


def test_encrypted_wheel_is_named(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "alpha", {"alpha/core.py": "x = 1\n"})
    # Bit 0 of the flags of each entry means that it is encrypted.
    data = bytearray(wheel.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(signature)
        while start >= 0:
            data[start + flags] |= 1
            start = data.find(signature, start + 4)
    wheel.write_bytes(data)
    with pytest.raises(CorpusError, match="is not a readable wheel"):
        list(read_wheel(wheel, lambda _: True))


def test_a_cut_off_sdist_is_named(tmp_path: Path) -> None:
    path = make_sdist(tmp_path, {"a.py": "".join(map(str, range(9000)))})
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CorpusError, match=r"is damaged .*; fetch it again"):
        list(read_sdist(path, python))
