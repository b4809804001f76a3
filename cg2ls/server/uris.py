"""From a client's URI to a path on this machine."""

from __future__ import annotations

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
