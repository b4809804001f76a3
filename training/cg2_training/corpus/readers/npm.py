"""Read packages of the npm registry; nothing is unpacked or run."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError, FetchError, LicenceError
from cg2_training.corpus.licences import is_allowed
from cg2_training.corpus.readers.git import MAX_FILE_BYTES

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
