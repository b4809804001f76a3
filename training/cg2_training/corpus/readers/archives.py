"""Wheels and sdists: the files inside, read without unpacking or building anything."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError, LicenceError
from cg2_training.corpus.licences import declared
from cg2_training.corpus.readers.git import MAX_BYTES
from cg2_training.corpus.sources import read_metadata


def read_wheel(wheel: Path, wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """The wanted files of a wheel, each under the licence that its METADATA declares.

    Raises:
        CorpusError: it is no wheel.
    """
    licences = _licences(*read_metadata(wheel))
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                if not entry.is_dir() and wanted(entry.filename):
                    if entry.file_size > MAX_BYTES:
                        yield Dropped("too large")
                    else:
                        yield SourceDocument(archive.read(entry), entry.filename, licences=licences)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise CorpusError(f"{wheel} is damaged ({error}); fetch it again.") from error


def read_sdist(sdist: Path, wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """The wanted files of a source distribution, each under the licence that its PKG-INFO declares.

    Raises:
        CorpusError: it is damaged, or no gzipped tar file.
    """
    try:
        with tarfile.open(sdist, "r:gz") as archive:
            members = {entry.name: entry for entry in archive.getmembers() if entry.isfile()}
            licences = _licences(*_package_info(archive, members))
            for name, entry in sorted(members.items()):
                inner = name.partition("/")[2]
                if inner and wanted(inner):
                    if entry.size > MAX_BYTES:
                        yield Dropped("too large")
                        continue
                    yield SourceDocument(_content(archive, entry), inner, licences=licences)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorpusError(f"{sdist} is damaged ({error}); fetch it again.") from error


def _package_info(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> tuple[Message, str]:
    """The parsed PKG-INFO and the text of a licence file at the top, each empty where there is none."""
    info, text = Message(), ""
    for name, entry in sorted(members.items()):
        inner = name.partition("/")[2]
        if inner == "PKG-INFO":
            info = BytesParser().parsebytes(_content(archive, entry))
        elif "/" not in inner and inner.lower().startswith(("licen", "copying")) and not text:
            text = _content(archive, entry).decode("utf-8", "replace")
    return info, text


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(entry)
    assert stream, "only regular files are asked for"
    return stream.read()


def _licences(metadata: Message, text: str) -> tuple[str, ...]:
    try:
        said = declared(metadata, text)
    except LicenceError:
        return ("LicenseRef-not-permissive",)
    return (said,) if said else ()
