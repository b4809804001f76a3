"""Read Debian source packages; nothing is unpacked, patched or built."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.licences import is_allowed
from cg2_training.corpus.readers.git import MAX_FILE_BYTES
from cg2_training.errors import CorpusError, FetchError, HashMismatchError, LicenceError
from cg2ls.files import sha256_of

UNKNOWN_LICENCE = "LicenseRef-unknown"
"""Licence of a file for which debian/copyright names none that is known; the licence rule drops it."""

_SPDX = {
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "boost-1.0": "BSL-1.0",
    "bsl-1.0": "BSL-1.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clauses": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "expat": "MIT",
    "isc": "ISC",
    "mit": "MIT",
    "psf-2": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
}
"""SPDX ids of the short names in debian/copyright, in lower case."""

_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class FilesParagraph:
    """One paragraph of debian/copyright: globs of paths, and their licence as an SPDX expression."""

    globs: tuple[str, ...]
    licence: str


def parts_of(dsc: Path) -> dict[str, str]:
    """Return the SHA-256 of each further file of a source package, by name.

    Raises:
        FetchError: the file is damaged or is not a .dsc file.
    """
    try:
        block = re.search(r"(?m)^Checksums-Sha256:\s*\n((?: .*\n?)+)", dsc.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FetchError(f"{dsc.name} is damaged ({error}); delete it from the cache.") from error
    lines = [line.split() for line in block[1].splitlines()] if block else []
    if not lines or any(len(line) != 3 or "/" in line[2] for line in lines):
        raise FetchError(f"{dsc.name} is not a Debian source package; delete it from the cache.")
    return {name: digest for digest, _, name in lines}


def check_parts(label: str, dsc: Path) -> None:
    """Make sure that the files next to a .dsc are those that it names.

    Raises:
        FetchError: one is missing.
        HashMismatchError: one has other bytes.
    """
    for name, digest in parts_of(dsc).items():
        path = dsc.with_name(name)
        if not path.is_file():
            raise FetchError(f"{label}: {name} is missing; delete {dsc.name} from the cache and build again.")
        if sha256_of(path) != digest:
            raise HashMismatchError(
                f"{label}: {name} has another sha256 than {dsc.name} names; delete both from the cache and build again."
            )


def spdx_of(name: str) -> str:
    """Return the SPDX expression of a licence in debian/copyright, with parts that are unknown kept as such."""
    words = re.sub(r"\band/or\b", "or", name.strip(), flags=re.IGNORECASE).replace(",", " ").split()
    found = []
    for word in words:
        lowered = word.lower()
        found.append(lowered.upper() if lowered in ("and", "or") else _SPDX.get(lowered, UNKNOWN_LICENCE))
    return " ".join(found) or UNKNOWN_LICENCE


def parse_copyright(text: str) -> list[FilesParagraph]:
    """Return the paragraphs about files of a machine-readable debian/copyright (DEP 5), in order."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in paragraph.splitlines():
            if line[:1] in (" ", "\t"):
                fields[key] = fields.get(key, "") + "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "files" in fields and "license" in fields:
            licence = spdx_of(fields["license"].split("\n", 1)[0])
            found.append(FilesParagraph(tuple(fields["files"].split()), licence))
    return found


def licence_of(path: str, paragraphs: list[FilesParagraph]) -> str:
    """Return the licence of a file; the last paragraph that matches counts."""
    for paragraph in reversed(paragraphs):
        if any(fnmatchcase(path, glob) for glob in paragraph.globs):
            return paragraph.licence
    return UNKNOWN_LICENCE


def read_copyright(dsc: Path) -> list[FilesParagraph]:
    """Return the paragraphs of a source package's debian/copyright; none if it has no machine-readable one.

    Raises:
        CorpusError: an archive is damaged.
    """
    for name in parts_of(dsc):
        if ".orig" in name or not _is_archive(name):
            continue
        for entry, stream in _members(dsc.with_name(name)):
            if entry.name.removeprefix("./").endswith("debian/copyright"):
                return parse_copyright(stream().decode("utf-8", "replace"))
    return []


def check_debian_licence(label: str, recorded: str, dsc: Path) -> None:
    """Refuse a package in which no file has the recorded licence.

    Raises:
        LicenceError: see above.
    """
    named = {paragraph.licence for paragraph in read_copyright(dsc)}
    if recorded not in named:
        told = ", ".join(sorted(named)) or "nothing in machine-readable form"
        raise LicenceError(
            f"{label}: the manifest records {recorded!r}, but debian/copyright says {told}; remove the package"
            " from the manifest."
        )


def main_licence(dsc: Path) -> str:
    """Return the licence of most of a package: that of `*`, else of the first paragraph that is allowed.

    Raises:
        LicenceError: it is not on the allow-list.
    """
    paragraphs = read_copyright(dsc)
    named = [one.licence for one in paragraphs if "*" in one.globs] + [one.licence for one in paragraphs]
    if not named or not is_allowed(named[0]):
        raise LicenceError(f"{dsc.stem}: the licence {(named or ['unknown'])[0]!r} is not on the allow-list.")
    return named[0]


def read_debian(dsc: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the wanted files of a package's upstream archives, under its name, each with its own licence.

    Raises:
        CorpusError: an archive is damaged.
    """
    name = dsc.name.split("_")[0]
    paragraphs = read_copyright(dsc)
    for part in sorted(parts_of(dsc)):
        if ".orig" not in part or not _is_archive(part):
            continue
        for entry, stream in _members(dsc.with_name(part)):
            inner = entry.name.removeprefix("./").partition("/")[2]
            path = f"{name}/{inner}"
            if not inner or not is_wanted(path):
                continue
            if entry.size > MAX_FILE_BYTES:
                yield Dropped("too large", entry.size)
                continue
            yield SourceDocument(stream(), path, licences=(licence_of(inner, paragraphs),))


def _is_archive(name: str) -> bool:
    return name.endswith((".tar.gz", ".tar.xz", ".tar.bz2"))


def _members(archive_path: Path) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Yield the regular files of an archive in the order of their names, with a function that reads each."""
    try:
        with tarfile.open(archive_path) as archive:
            for entry in sorted(archive.getmembers(), key=lambda one: one.name):
                if entry.isfile():

                    def content(entry: tarfile.TarInfo = entry) -> bytes:
                        stream = archive.extractfile(entry)
                        assert stream
                        return stream.read()

                    yield entry, content
    except _DAMAGED as error:
        raise CorpusError(f"{archive_path} is damaged ({error}); fetch it again.") from error
