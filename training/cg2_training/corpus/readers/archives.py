"""Read packages of PyPI and npm: wheels, sdists and tarballs; nothing is unpacked, built or run."""

from __future__ import annotations

import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.licences import declared_licence, is_allowed
from cg2_training.corpus.readers.git import MAX_FILE_BYTES
from cg2_training.errors import CorpusError, FetchError, LicenceError


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


DESCRIPTION = "package.json"


def read_description(package: Path) -> dict[str, Any]:
    """Return the content of a package's package.json.

    Raises:
        FetchError: the file is damaged or is not an npm package.
    """
    try:
        with tarfile.open(package, "r:gz") as archive:
            for entry in archive:
                if entry.isfile() and entry.name.partition("/")[2] == DESCRIPTION:
                    stream = archive.extractfile(entry)
                    assert stream
                    found = json.loads(stream.read())
                    if isinstance(found, dict) and {"name", "version"} <= found.keys():
                        return found
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise FetchError(f"{package.name} is damaged ({error}); delete it from the cache.") from error
    raise FetchError(f"{package.name} is not an npm package; delete it from the cache.")


def declared_npm_licence(description: Mapping[str, Any]) -> str:
    """Return the SPDX expression that package.json declares; "" if it declares none.

    Older packages have a table, or a list of tables of which a user may choose one.
    """
    value = description.get("license") or description.get("licenses") or ""
    choices = [
        str(one.get("type", "")) if isinstance(one, Mapping) else str(one)
        for one in (value if isinstance(value, list) else [value])
    ]
    return " OR ".join(filter(None, choices))


def check_npm_licence(label: str, recorded: str, package: Path) -> None:
    """Refuse a package whose licence is not allowed or differs from the recorded one.

    Raises:
        LicenceError: see above.
        FetchError: the file is not an npm package.
    """
    declared = declared_npm_licence(read_description(package))
    if declared and not is_allowed(declared):
        raise LicenceError(
            f"{label}: package.json says {declared!r}, which is not on the allow-list; remove the package from"
            " the manifest."
        )
    if declared and declared != recorded:
        raise LicenceError(
            f"{label}: the manifest records {recorded!r}, but package.json says {declared!r}; pin the package again"
            f" with `cg2-train corpus pin npm:{label.replace('==', '@')}`."
        )


def read_npm(package: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the wanted files of a package, under its name, with the licence that package.json declares.

    Raises:
        CorpusError: the file is damaged or is not an npm package.
    """
    description = read_description(package)
    declared = declared_npm_licence(description)
    try:
        with tarfile.open(package, "r:gz") as archive:
            members = sorted(
                (entry for entry in archive.getmembers() if entry.isfile()), key=lambda one: one.name
            )
            for entry in members:
                path = f"{description['name']}/{entry.name.partition('/')[2]}"
                if not is_wanted(path):
                    continue
                if entry.size > MAX_FILE_BYTES:
                    yield Dropped("too large", entry.size)
                    continue
                stream = archive.extractfile(entry)
                assert stream
                yield SourceDocument(stream.read(), path, licences=(declared,) if declared else ())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorpusError(f"{package} is damaged ({error}); fetch it again.") from error
