"""What goes wrong around the server: its child dies, the disk is full, folders vanish, the model is touched.

All of it happens for real and below the run's own folders. Functions that begin something lasting give back what
ends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2ls.evaluation.simulation.sources import Source

Undo = Callable[[], None]

MEMORYS_CHILD = b"cg2ls.retrieval.memory.index_worker"


class ImpossibleError(Exception):
    """A fault that cannot be had on this system."""


def kill_child(server: int) -> bool:
    """Kills a process that reads a workspace for the server; whether there was one."""
    for child in _children(server):
        try:
            if MEMORYS_CHILD in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
                return True
        except OSError:
            continue  # it ended meanwhile
    return False


def fill_disk(server: int) -> Undo:
    """Lets no file of the server or its children grow, as on a full disk, by RLIMIT_FSIZE; pipes go on.

    Raises:
        ImpossibleError: only Linux changes the limits of another process.
    """
    if sys.platform != "linux":
        raise ImpossibleError
    from resource import RLIMIT_FSIZE, prlimit

    try:
        before = prlimit(server, RLIMIT_FSIZE)
        for process in (server, *_children(server)):
            prlimit(process, RLIMIT_FSIZE, (0, before[1]))
    except OSError:
        raise ImpossibleError from None

    def undo() -> None:
        try:
            prlimit(server, RLIMIT_FSIZE, before)
        except ProcessLookupError:
            return  # that it died is noticed elsewhere

    return undo


def remove_cache(place: Surroundings) -> None:
    """Removes the cache folder with all that is in it."""
    shutil.rmtree(place.cache, ignore_errors=True)


def block_state(place: Surroundings) -> Undo:
    """Puts a file in the state folder's place."""
    shutil.rmtree(place.state, ignore_errors=True)
    place.state.write_bytes(b"")

    def undo() -> None:
        place.state.unlink(missing_ok=True)
        place.state.mkdir(exist_ok=True)

    return undo


def touch_model(place: Surroundings) -> None:
    """Gives the model's files new times."""
    for file in place.model.iterdir():
        os.utime(file)


def replace_model(place: Surroundings) -> None:
    """Renames an identical copy of every file of the model over it, as an update of a package does.

    Raises:
        ImpossibleError: Windows lets nobody replace a file that is mapped.
    """
    for file in sorted(place.model.iterdir()):
        copy = file.with_name(f".{file.name}.new")
        shutil.copyfile(file, copy)
        try:
            copy.replace(file)
        except PermissionError:
            copy.unlink()
            raise ImpossibleError from None


def _children(process: int) -> list[int]:
    """Ids of a process's children; none where /proc does not tell."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # the thread ended meanwhile
    return found


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
