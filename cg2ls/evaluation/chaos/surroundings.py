"""A home, a workspace and a model that belong to the run alone, so that nothing of the user's is ever touched."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2ls.evaluation.quality.sources import Source

OURS = ("CG2LS_", "XDG_")
"""Beginnings of the variables that would lead the server to folders of the user."""


class Surroundings:
    """Folders below a temporary one.

    Args:
        folder: an empty one.
        model: folder of the model, which is copied.
        sources: files of the workspaces, which are written anew.

    Attributes:
        home: the server's home.
        cache: its cache folder.
        state: its state folder.
        model: its model.
        roots: the workspaces, one for each repository.
    """

    def __init__(self, folder: Path, model: Path, sources: Sequence[Source]) -> None:
        self.home = folder / "home"
        self.cache, self.state = self.home / "cache", self.home / "state"
        self.model = folder / "model"
        self._code = folder / "code"
        self._by_uri: dict[str, Path] = {}
        for made in (self.home, self.cache, self.state):
            made.mkdir()
        shutil.copytree(model, self.model)
        for source in sources:
            path = self.path_of(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source.text, encoding="utf-8", newline="\n")
            self._by_uri[path.as_uri()] = path
        self.roots = sorted({self._code / source.repository for source in sources})

    def path_of(self, source: Source) -> Path:
        """The copy of a file."""
        return self._code / source.repository / source.path

    def path_at(self, uri: str) -> Path:
        """The copy that a URI names."""
        return self._by_uri[uri]

    def environment(self) -> dict[str, str]:
        """The server's environment: this process's, with all folders here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        own = {"HOME": self.home, "USERPROFILE": self.home, "LOCALAPPDATA": self.home, "APPDATA": self.home}
        for name in ("cache", "state", "config", "data"):
            own[f"XDG_{name.upper()}_HOME"] = self.home / name
        return kept | {name: str(path) for name, path in own.items()}

    def command(self) -> list[str]:
        """Starts the server as an editor does."""
        return [sys.executable, "-m", "cg2ls", "--stdio", "--model", str(self.model)]
