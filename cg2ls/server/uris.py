"""Paths of clients' URIs on this machine, and whether the settings exclude them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePath, PureWindowsPath

from cg2ls.system import expand_home, home_folder
from cg2ls.workspace import is_excluded
from cg2ls.workspace.paths import Place, identity_of, innermost

LOCAL_SCHEMES = ("file", "vscode-notebook-cell")
"""Schemes whose path is a file's on this machine; a cell's is its notebook's."""

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/?#]*))?([^?#]*)", re.DOTALL)
"""Scheme, host and path as RFC 3986 has them. A scheme of one letter would be a drive of Windows."""

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_DRIVE = re.compile(r"/?([A-Za-z]):(?=[/\\]|$)")
_THIS_MACHINE = ("", "localhost")


def path_of(uri: str) -> Path | None:
    """Return the file that a URI names; None if it names none, as for a document that was never saved."""
    scheme = uri.partition(":")[0].lower()
    path = named_path(uri) if scheme in LOCAL_SCHEMES else None
    if not isinstance(path, Path) or not _is_text(str(path)):
        return None
    return path


@lru_cache(maxsize=4096)
def named_path(uri: str) -> PurePath | None:
    """Return the path in a URI of any scheme, for settings about paths; None if it has none.

    A document that was never saved, or an older version of a file, may have one. It is a path of Windows where it has
    a drive or, in a file's URI, another machine's name.
    """
    found = _URI.match(uri)
    if found is None:
        return None
    scheme, host, path = found[1].lower(), _unescaped(found[2] or ""), _unescaped(found[3])
    if not path.startswith("/") and not _DRIVE.match(path):
        return None
    if scheme == "file" and host.lower() not in _THIS_MACHINE:
        return _of_windows(f"//{host}{path}")
    if drive := _DRIVE.match(path):
        return _of_windows(f"{drive[1].lower()}:{path[drive.end() :] or '/'}")
    if os.name == "nt":
        return Path(path)
    return Path("/" + path.lstrip("/"))


def folder_named(said: str) -> PurePath:
    """Return the folder that a setting names: by a URI, from `~`, absolute or relative."""
    if (path := named_path(said)) is not None:
        return path
    if _DRIVE.match(said):
        return _of_windows(said)
    return expand_home(said) or PurePath(said)


def root_of(path: Path, roots: Iterable[str]) -> Path | None:
    """Return the innermost workspace folder of a file, without links; None if it is too large for one repository.

    Args:
        path: of the file.
        roots: URIs of the workspace folders.
    """
    places = [Place(root) for root in map(path_of, roots) if root is not None]
    inside = innermost(Place(path), places) if places else None
    if inside is None:
        return None
    root, home = Path(inside.real), home_folder()
    is_home = home is not None and (
        home == root or identity_of(str(home)) == identity_of(str(root)) is not None
    )
    return None if is_home or root == Path(root.anchor) else root


def is_left_alone(uri: str, roots: Iterable[str], patterns: tuple[str, ...]) -> bool:
    """Return whether the user's patterns match a document, by any spelling of its path.

    Args:
        uri: of the document.
        roots: URIs of the workspace folders, to which patterns are relative; of a document outside of them, its own
            folder is taken.
        patterns: as in .gitignore.
    """
    path = named_path(uri)
    if path is None or not patterns:
        return False
    place = Place(path)
    folders = [Place(folder) for folder in map(named_path, roots) if folder is not None]
    if not any(map(place.lies_in, folders)):
        folders += [Place(path.parent), Place(place.real.parent)]
    return any(is_excluded(place, folder, patterns) for folder in folders)


def _of_windows(path: str) -> PurePath:
    return Path(path) if os.name == "nt" else PureWindowsPath(path)


def _unescaped(part: str) -> str:
    """Return a part of a URI without its %-escapes; other bytes than UTF-8 decode as `os.fsdecode` does."""
    raw = _ESCAPED.sub(lambda escaped: bytes([int(escaped[1], 16)]), part.encode("utf-8", "surrogatepass"))
    return raw.decode("utf-8", "surrogateescape")


def _is_text(path: str) -> bool:
    """Return whether a path is valid text for a message or a prompt."""
    return "\0" not in path and not any("\ud800" <= character <= "\udfff" for character in path)
