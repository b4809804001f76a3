"""From a client's URI to a path on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pygls.uris import to_fs_path

LOCAL_SCHEMES = ("file", "vscode-notebook-cell")
"""Schemes whose path is a file's on this machine; a cell's is its notebook's."""


def path_of(uri: str) -> Path | None:
    """The file a URI names; None if it names none, as for a document that was never saved."""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in LOCAL_SCHEMES:
        return None
    try:
        path = to_fs_path(f"file:{rest}")
    except ValueError:  # a damaged host name
        return None
    return Path(path) if path else None


def root_of(path: Path, roots: Iterable[str]) -> Path | None:
    """The innermost workspace folder a file lies in; None if that is too much to be one repository.

    Args:
        path: of the file.
        roots: URIs of the workspace folders.
    """
    inside = [root for root in map(path_of, roots) if root is not None and path.is_relative_to(root)]
    root = max(inside, key=lambda each: len(each.parts), default=None)
    return None if root is None or root in (Path.home(), Path(root.anchor)) else root
