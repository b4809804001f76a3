"""One folder of files that completion may read."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.workspace.ignore import GitIgnore, Patterns
from cg2ls.workspace.paths import Place, folded, ignores_case
from cg2ls.workspace.reading_rules import (
    SECRET_FOLDERS,
    ReadingRules,
    Reason,
    Refusal,
    RefusedError,
    as_text,
    has_secret_name,
    refused_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOOL_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".tox", ".nox", "site-packages"}
)
TOOL_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")
"""Files by which a tool marks a folder as its own: a virtual environment, a cache (the Cache Directory
Tagging Specification)."""

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Do not follow a link, or wait for a pipe, that replaced the file after the check."""

DEFAULTS = ReadingRules()


class Workspace:
    """Decides which files under a folder may be read, and reads them.

    Links are not followed, and paths that cannot be checked are refused. A path is checked by every name that it
    has. The decision is made again for every file, so that a changed .gitignore counts at once.

    Args:
        root: the workspace's folder.
        rules: limits that the user sets.

    Attributes:
        place: the folder as the caller spelled it, to compare paths with.
        root: the folder without links.

    Raises:
        RulesError: a pattern of the rules cannot be read.
    """

    def __init__(self, root: Path, rules: ReadingRules = DEFAULTS) -> None:
        self.place = Place(root)
        self.root = Path(self.place.real)
        self.rules = rules
        self._git = GitIgnore(self.root)
        self._ignores_case = ignores_case(self.root)
        self._include = Patterns("include", rules.include, self.place)
        self._exclude = Patterns("exclude", rules.exclude, self.place)
        inner = sorted(rules.folders, key=lambda pair: -pair[0].count("/"))
        self._folders = [(self._folded(name), Patterns("exclude", each, self.place)) for name, each in inner]

    def name_of(self, path: Path) -> str | None:
        """Return a path's name relative to the root, with slashes, for every spelling; None if it is outside.

        Args:
            path: absolute path, or path relative to the root.
        """
        place = Place(self.root / path)
        if place.real.is_relative_to(self.root):
            return None if place.real == self.root else place.real.relative_to(self.root).as_posix()
        return next(filter(None, reversed(place.names_in(self.place))), None)

    def refusal(self, path: Path) -> Refusal | None:
        """Return the reason for refusing a file by its location and name; None if it may be read.

        Args:
            path: absolute path, or path relative to the root.
        """
        spelled, inside = self._spelled(path)
        return self._refused(path, spelled, inside=inside)

    def refusal_of_text(self, path: Path, text: str) -> Refusal | None:
        """Return the reason for not reading an open document for other files; it need not be on disk.

        Args:
            path: absolute path, or path relative to the root.
            text: text in the editor.
        """
        spelled, inside = self._spelled(path)
        names = (
            self._refused_place(each) or self._refused_link(each) or self._refused_name(each)
            for each in spelled
        )
        if refused := next(filter(None, names), None) or self._refused_outside(path, inside=inside):
            return refused
        if len(text) > self.rules.max_bytes:
            return Refusal(path, "too large", f"it has more than {self.rules.max_bytes} characters")
        wrong = refused_text(text)
        return Refusal(path, *wrong) if wrong else None

    def read(self, path: Path) -> str:
        r"""Read a file's text, with `\n` line ends.

        Raises:
            RefusedError: it may not be read.
        """
        spelled, inside = self._spelled(path)
        if refused := self._refused(path, spelled, inside=inside):
            raise RefusedError(refused)
        return self._content(spelled[-1])

    def walk(
        self,
        wanted: Callable[[str], bool] = lambda _: True,
        refused: Callable[[Refusal], None] = lambda _: None,
    ) -> Iterator[Path]:
        """Yield the files whose location and name allow reading, sorted by name, folder by folder.

        Args:
            wanted: returns whether the caller needs a file of this name; others are skipped silently.
            refused: receives each refusal; a refused folder is reported once.
        """
        for patterns in (self._include, self._exclude, *(each for _, each in self._folders)):
            patterns.look_at_links()
        entries = files = 0
        open_folders = [self.root]
        while open_folders:
            folder = open_folders.pop()
            try:
                with os.scandir(folder) as found:
                    some = islice(found, self.rules.max_entries - entries + 1)
                    inside = sorted(some, key=lambda entry: entry.name)
            except OSError as error:
                refused(Refusal(folder, "unreadable", f"it cannot be listed ({error.strerror})"))
                continue
            below = []
            for entry in inside:
                entries += 1
                path = Path(entry.path)
                if entries > self.rules.max_entries or files >= self.rules.max_files:
                    refused(Refusal(path, "too many files", "the workspace has more files than the limit"))
                    return
                if entry.is_dir(follow_symlinks=False):
                    if refusal := self._refused_folder(path):
                        refused(refusal)
                    else:
                        below.append(path)
                elif wanted(entry.name):
                    if refusal := self._refused_file(path):
                        refused(refusal)
                    else:
                        files += 1
                        yield path
            open_folders.extend(reversed(below))

    def _spelled(self, path: Path) -> tuple[list[Path], bool]:
        """Return a file's paths in the root, and whether the file that would be opened is in the root.

        The path without links is the last. A path with `..` after a link can look as if it were in the root, and lead
        elsewhere.
        """
        place = Place(self.root / path)
        spelled = [self.root / name for name in place.names_in(self.place) if name]
        real = Path(place.real)
        if real in spelled:
            spelled.remove(real)
            spelled.append(real)
        inside = real.is_relative_to(self.root) or Place(real).lies_in(self.place)
        return spelled, bool(spelled) and inside

    def _refused(self, path: Path, spelled: list[Path], *, inside: bool) -> Refusal | None:
        refused = (self._refused_place(each) or self._refused_file(each) for each in spelled)
        return next(filter(None, refused), None) or self._refused_outside(path, inside=inside)

    def _refused_outside(self, path: Path, *, inside: bool) -> Refusal | None:
        return None if inside else Refusal(path, "outside", f"it is not in {self.root}")

    def _refused_place(self, path: Path) -> Refusal | None:
        """Return the reason for refusing everything in the folders of a path; None if there is none."""
        folders = (self.root / folder for folder in reversed(path.relative_to(self.root).parents[:-1]))
        return next((refused for folder in folders if (refused := self._refused_folder(folder))), None)

    def _refused_folder(self, path: Path) -> Refusal | None:
        if refused := self._refused_link(path):
            return refused
        name = path.name.lower() if self._ignores_case else path.name
        if name in TOOL_FOLDERS or any((path / mark).is_file() for mark in TOOL_MARKS):
            return Refusal(path, "tool folder", "it belongs to a tool")
        if path.name.lower() in SECRET_FOLDERS:
            return Refusal(path, "secret name", "its name suggests that it contains secrets")
        return self._refused_by_patterns(path, is_folder=True)

    def _refused_file(self, path: Path) -> Refusal | None:
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            return Refusal(path, "no file", f"it cannot be examined ({error.strerror})")
        if stat.S_ISLNK(mode):
            return Refusal(path, "link", "it is a link; its target is read at its own path")
        if not stat.S_ISREG(mode):
            return Refusal(path, "no file", "it is not a regular file")
        return self._refused_name(path)

    def _refused_link(self, path: Path) -> Refusal | None:
        if path.is_symlink():
            return Refusal(path, "link", "it is a link; its target is read at its own path")
        return None

    def _refused_name(self, path: Path) -> Refusal | None:
        if has_secret_name(path.name):
            return Refusal(path, "secret name", "its name suggests that it contains secrets")
        return self._refused_by_patterns(path, is_folder=False)

    def _refused_by_patterns(self, path: Path, *, is_folder: bool) -> Refusal | None:
        relative = path.relative_to(self.root).as_posix() + ("/" if is_folder else "")
        if self._excluding(relative).match(relative) and not self._has_rules_below(relative):
            return Refusal(path, "excluded", "the settings exclude it")
        if self.rules.include and not is_folder and not self._include.match(relative):
            return Refusal(path, "not included", "the settings do not include it")
        if not self.rules.gitignore:
            return None
        verdict = self._git.verdict(path, is_folder=is_folder)
        if verdict.problem:
            return Refusal(path, "unreadable rules", verdict.problem)
        return Refusal(path, "ignored", "git ignores it") if verdict.ignored else None

    def _excluding(self, name: str) -> Patterns:
        """Return the exclusion patterns that apply to a file or folder."""
        inside = f"{self._folded(name)}/"
        return next(
            (each for folder, each in self._folders if inside.startswith(f"{folder}/")), self._exclude
        )

    def _has_rules_below(self, folder: str) -> bool:
        """Return whether a folder must be searched because a folder in it has its own patterns."""
        return any(
            f"{inner}/".startswith(folder) and inner != folder.rstrip("/") for inner, _ in self._folders
        )

    def _folded(self, name: str) -> str:
        return folded(name, ignores_case=self._ignores_case)

    def _content(self, path: Path) -> str:
        """Read a file whose name was allowed, without following a link created meanwhile."""
        try:
            with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
                data = file.read(self.rules.max_bytes + 1)
        except OSError as error:
            raise RefusedError(Refusal(path, "unreadable", f"it cannot be read ({error.strerror})")) from None
        if len(data) > self.rules.max_bytes:
            reason: tuple[Reason, str] = "too large", f"it has more than {self.rules.max_bytes} bytes"
            raise RefusedError(Refusal(path, *reason))
        text = as_text(data)
        if isinstance(text, tuple):
            raise RefusedError(Refusal(path, *text))
        return text
