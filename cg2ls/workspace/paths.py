"""Compare paths by their targets, not by their spelling.

One file has many spellings: through symbolic links, with `..`, with other capitals where the file system ignores case,
with another Unicode normalization, in Windows' two ways. Settings that keep files private must apply to all
of them, so all comparisons of paths are here. Two folders are the same if device and inode are. The name
decides only if a folder does not exist or belongs to another machine.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath, PureWindowsPath

MAX_LINKS = 40
"""Maximum number of links followed for one path, as in Linux; it ends loops."""

MAX_PROBED = 64
"""Maximum number of names examined to find out whether a folder ignores case."""

Identity = tuple[int, int]
"""Device and inode."""


class Place:
    """A file or folder, with every path that one spelling of it passes through.

    Args:
        path: absolute path; it need not exist. A path that is not of this system is compared by its name alone.

    Attributes:
        forms: the path as it is spelled, and with one more link followed each time; all with slashes.
        real: the path without links.
    """

    def __init__(self, path: PurePath) -> None:
        forms = list(_forms(path))
        self.forms: tuple[str, ...] = tuple(dict.fromkeys(forms))
        self.real = type(path)(forms[-1])
        self._is_here = isinstance(path, Path)
        self._ignores_case = isinstance(path, PureWindowsPath)
        self._identities: dict[str, Identity | None] = {}

    def names_in(self, folder: Place) -> tuple[str, ...]:
        """Return its names relative to a folder, with slashes, one for each path from there to it.

        The folder itself is named "".
        """
        wanted = folder.identity(str(folder.real))
        spelled = {self._folded(form) for form in folder.forms}
        found: dict[str, None] = {}
        for form in self.forms:
            for ancestor, name in _ancestors(form, self._anchor(form)):
                same = wanted is not None and self.identity(ancestor) == wanted
                if same or self._folded(ancestor) in spelled:
                    found.setdefault(name)
        return tuple(found)

    def lies_in(self, folder: Place) -> bool:
        """Return whether it is a folder or is in it, for every spelling of both."""
        return bool(self.names_in(folder))

    def depth_in(self, folder: Place) -> int | None:
        """Return the minimum number of folders between a folder and this; None if it is not in it."""
        return min((name.count("/") + bool(name) for name in self.names_in(folder)), default=None)

    def identity(self, path: str) -> Identity | None:
        """Return device and inode of one of the forms or of a parent folder; None if it does not exist."""
        if path not in self._identities:
            self._identities[path] = identity_of(path) if self._is_here else None
        return self._identities[path]

    def _anchor(self, form: str) -> str:
        return PureWindowsPath(form).anchor.replace("\\", "/") if self._ignores_case else "/"

    def _folded(self, path: str) -> str:
        """Return a normalized path, for folders that the system cannot compare."""
        return folded(path, ignores_case=self._ignores_case)


def innermost(place: Place, folders: Iterable[Place]) -> Place | None:
    """Return the innermost of several folders that contain a place; None if none does."""
    depths = [(depth, folder) for folder in folders if (depth := place.depth_in(folder)) is not None]
    return min(depths, key=lambda pair: pair[0], default=(0, None))[1]


def identity_of(path: str) -> Identity | None:
    """Return device and inode of a path's target; None if the system reports none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called for each folder above each path
    except (OSError, ValueError):  # the latter for a null character
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


def folded(name: str, *, ignores_case: bool) -> str:
    """Normalize a name or pattern for comparison.

    Args:
        name: name of a file, or a pattern of .gitignore.
        ignores_case: whether the file system ignores case.
    """
    if name.isascii():
        return name.lower() if ignores_case else name
    composed = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", composed.casefold()) if ignores_case else composed


def ignores_case(folder: PurePath) -> bool:
    """Return whether a folder ignores case in names, without writing to it.

    If no name in the folder has letters, the system's usual behaviour counts.
    """
    if not isinstance(folder, Path):
        return isinstance(folder, PureWindowsPath)
    return _probed(folder, identity_of(str(folder)))


@lru_cache
def _probed(folder: Path, _: Identity | None) -> bool:
    """Probe a folder for case; a different folder with this name is probed again."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MAX_PROBED)]
    except (OSError, ValueError):
        names = []
    for name in names:
        other = name.swapcase()
        if other != name and other not in names:
            return os.path.lexists(folder / other)
    return sys.platform in ("win32", "darwin")


def _ancestors(path: str, anchor: str) -> Iterator[tuple[str, str]]:
    """Yield a path and the folders above it, the nearest first, each with the path's name in it."""
    end, first = len(path), len(anchor.rstrip("/"))
    while end > first:
        yield path[:end], path[end + 1 :]
        end = path.rfind("/", first, end)
    yield anchor, path[len(anchor) :]


def _forms(path: PurePath) -> Iterator[str]:
    yield _normal(path)
    if not isinstance(path, Path):
        return
    try:
        if os.name == "nt":
            yield Path(os.path.realpath(path)).as_posix()
        else:
            yield from _followed(_absolute(path))
    except (OSError, ValueError):  # for example a null character: the path does not exist
        return


def _followed(path: str) -> Iterator[str]:
    """Yield a POSIX path with one more link followed each time, as the system does."""
    done, links = "/", 0
    left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    while left:
        part = left.pop()
        if part == "..":
            done = done.rpartition("/")[0] or "/"
            continue
        at = f"{done.rstrip('/')}/{part}"
        target = _target(at) if links < MAX_LINKS else None
        if target is None:
            done = at
            continue
        links += 1
        done = "/" if target.startswith("/") else done
        left += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        yield _normal_posix("/".join([done, *reversed(left)]))
    yield done


def _target(path: str) -> str | None:
    """Return a link's target; None if the path is no link."""
    try:
        return os.readlink(path)  # noqa: PTH115 - called for each part of each path, where a Path costs more than the call
    except OSError:
        return None


def _absolute(path: Path) -> str:
    """Return an absolute spelling that keeps `..`, since `..` after a link means something else."""
    try:
        return str(path if path.is_absolute() else Path.cwd() / path)
    except FileNotFoundError:  # the working directory was removed
        return f"/{path}"


def _normal(path: PurePath) -> str:
    """Remove `.`, `..` and double slashes from a path as text; unify Windows' long and short prefix."""
    if isinstance(path, PureWindowsPath):
        return _normal_windows(path).as_posix()
    return _normal_posix(_absolute(path) if isinstance(path, Path) else str(path))


def _normal_posix(path: str) -> str:
    return "/" + os.path.normpath(path).lstrip("/") if path.startswith("/") else os.path.normpath(path)


def _normal_windows(path: PureWindowsPath) -> PureWindowsPath:
    r"""Remove `\\?\`, and the dots and spaces at the end of names, which Windows ignores."""
    said = str(path)
    if said.upper().startswith("\\\\?\\UNC\\"):
        said = "\\\\" + said[8:]
    elif said.startswith(("\\\\?\\", "\\\\.\\")):
        said = said[4:]
    whole = type(path)(said)
    parts: list[str] = []
    for part in whole.parts[bool(whole.anchor) :]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(
                part.partition(":")[0].rstrip(". ") or part
            )  # after a colon is the name of a stream of the same file
    return type(path)(whole.anchor, *parts)
