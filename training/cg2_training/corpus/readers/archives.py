"""Read the files in wheels and sdists; nothing is unpacked, built or run."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError, FetchError, LicenceError
from cg2_training.corpus.licences import declared_licence
from cg2_training.corpus.readers.git import MAX_FILE_BYTES


def read_wheel(wheel: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the wanted files of a wheel, with the licence that its METADATA declares.

    Raises:
        CorpusError: the file is damaged or is not a wheel.
    """
    licences = _licences(*read_metadata(wheel))
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                if not entry.is_dir() and is_wanted(entry.filename):
                    if entry.file_size > MAX_FILE_BYTES:
                        yield Dropped("too large", entry.file_size)
                    else:
                        yield SourceDocument(archive.read(entry), entry.filename, licences=licences)
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise CorpusError(f"{wheel} is damaged ({error}); fetch it again.") from error


def read_sdist(sdist: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the wanted files of a source distribution, with the licence that its PKG-INFO declares.

    Raises:
        CorpusError: the file is damaged or is not a gzipped tar file.
    """
    try:
        with tarfile.open(sdist, "r:gz") as archive:
            members = {entry.name: entry for entry in archive.getmembers() if entry.isfile()}
            licences = _licences(*_package_info(archive, members))
            for name, entry in sorted(members.items()):
                inner = name.partition("/")[2]
                if inner and is_wanted(inner):
                    if entry.size > MAX_FILE_BYTES:
                        yield Dropped("too large", entry.size)
                        continue
                    yield SourceDocument(_content(archive, entry), inner, licences=licences)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorpusError(f"{sdist} is damaged ({error}); fetch it again.") from error


def read_metadata(wheel: Path) -> tuple[Message, str]:
    """Return a wheel's parsed METADATA and the text of its licence file, "" if it has none.

    Raises:
        FetchError: the file is damaged or is not a wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            own = [n for n in names if n.count("/") == 1 and n.endswith(".dist-info/METADATA")]
            message = BytesParser().parsebytes(archive.read(own[0]))
            folder = own[0].removesuffix("METADATA")
            texts = sorted(
                (n for n in names if n.startswith(folder) and "licen" in n[len(folder) :].lower()),
                key=lambda n: (n.count("/"), n),
            )
            texts = [n for n in texts if not n.endswith("/")]
            text = archive.read(texts[0]).decode("utf-8", "replace") if texts else ""
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, IndexError) as error:
        raise FetchError(f"{wheel.name} is not a readable wheel; delete it from the cache.") from error
    return message, text


def _package_info(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> tuple[Message, str]:
    """Return the parsed PKG-INFO and the text of a licence file in the top folder; empty if missing."""
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
    assert stream, "only regular files are extracted"
    return stream.read()


def _licences(metadata: Message, text: str) -> tuple[str, ...]:
    try:
        licence = declared_licence(metadata, text)
    except LicenceError:
        return ("LicenseRef-not-permissive",)
    return (licence,) if licence else ()
