"""One folder of files that completion may look at."""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from cg2ls.errors import Cg2Error
from cg2ls.workspace.content import as_text, refused_text
from cg2ls.workspace.ignore import GitIgnore
from cg2ls.workspace.refusal import Reason, Refusal, RefusedError
from cg2ls.workspace.rules import ReadingRules
from cg2ls.workspace.secrets import SECRET_FOLDERS, has_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TOOL_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".tox", ".nox", "site-packages"}
)
TOOL_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")
"""Files by which a tool says that a folder is its own: a virtual environment, a cache
(the Cache Directory Tagging Specification)."""

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither follows a link nor waits for a pipe that took a file's place after it was looked at."""

DEFAULTS = ReadingRules()


class RulesError(Cg2Error):
    """Patterns of the user's that make no sense."""


class Workspace:
    """Says which files under a folder may be read, and reads them.

    Nothing is taken on trust: a link is not followed, whatever cannot be checked is refused, and the answer is
    computed anew for every file, so that a changed .gitignore counts at once.

    Args:
        root: the workspace's folder.
        rules: what the user allows.

    Raises:
        RulesError: a pattern of the rules cannot be read.
    """

    def __init__(self, root: Path, rules: ReadingRules = DEFAULTS) -> None:
        self.root = root.resolve()
        self.rules = rules
        self._git = GitIgnore(self.root)
        self._include = _spec("include", rules.include)
        self._exclude = _spec("exclude", rules.exclude)

    def refusal(self, path: Path) -> Refusal | None:
        """Why a file may not be read, as far as its place and its name tell; None if it may.

        Args:
            path: absolute, or relative to the root.
        """
        path = Path(os.path.normpath(self.root / path))
        return self._refused_place(path) or self._refused_file(path)

    def refusal_of_text(self, path: Path, text: str) -> Refusal | None:
        """Why a document open in an editor may not be read for other files; it need not be on disk.

        Args:
            path: absolute, or relative to the root.
            text: as it stands in the editor.
        """
        path = Path(os.path.normpath(self.root / path))
        if refused := self._refused_place(path) or self._refused_name(path):
            return refused
        if len(text) > self.rules.max_bytes:
            return Refusal(path, "too large", f"it has more than {self.rules.max_bytes} characters")
        wrong = refused_text(text)
        return Refusal(path, *wrong) if wrong else None

    def read(self, path: Path) -> str:
        r"""Text of a file, with `\n` line ends.

        Raises:
            RefusedError: it may not be read.
        """
        if refused := self.refusal(path):
            raise RefusedError(refused)
        return self._content(self.root / path)

    def walk(
        self,
        wanted: Callable[[str], bool] = lambda _: True,
        refused: Callable[[Refusal], None] = lambda _: None,
    ) -> Iterator[Path]:
        """Files whose place and name allow reading them, in the order of their names, folder by folder.

        Args:
            wanted: by a file's name, whether the caller has a use for it; others are passed over silently.
            refused: told of each refusal on the way; a refused folder is told of once.
        """
        entries = files = 0
        open_folders = [self.root]
        while open_folders:
            folder = open_folders.pop()
            try:
                with os.scandir(folder) as found:
                    some = islice(found, self.rules.max_entries - entries + 1)
                    inside = sorted(some, key=lambda entry: entry.name)
            except OSError as wrong:
                refused(Refusal(folder, "unreadable", f"it cannot be listed ({wrong.strerror})"))
                continue
            below = []
            for entry in inside:
                entries += 1
                path = Path(entry.path)
                if entries > self.rules.max_entries or files >= self.rules.max_files:
                    refused(
                        Refusal(path, "too many files", "the workspace has more files than are looked at")
                    )
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

    def _refused_place(self, path: Path) -> Refusal | None:
        """Why nothing may be read where a path lies."""
        if not path.is_relative_to(self.root) or path == self.root:
            return Refusal(path, "outside", f"it does not lie in {self.root}")
        folders = (self.root / folder for folder in reversed(path.relative_to(self.root).parents[:-1]))
        return next((refused for folder in folders if (refused := self._refused_folder(folder))), None)

    def _refused_folder(self, path: Path) -> Refusal | None:
        if path.is_symlink():
            return Refusal(path, "link", "it is a link; what it leads to is read in its own place")
        if path.name in TOOL_FOLDERS or any((path / mark).is_file() for mark in TOOL_MARKS):
            return Refusal(path, "tool folder", "it belongs to a tool")
        if path.name.lower() in SECRET_FOLDERS:
            return Refusal(path, "secret name", "its name says that it holds secrets")
        return self._refused_by_patterns(path, is_folder=True)

    def _refused_file(self, path: Path) -> Refusal | None:
        try:
            mode = path.lstat().st_mode
        except OSError as wrong:
            return Refusal(path, "no file", f"it cannot be looked at ({wrong.strerror})")
        if stat.S_ISLNK(mode):
            return Refusal(path, "link", "it is a link; what it leads to is read in its own place")
        if not stat.S_ISREG(mode):
            return Refusal(path, "no file", "it is not a regular file")
        return self._refused_name(path)

    def _refused_name(self, path: Path) -> Refusal | None:
        if has_secret_name(path.name):
            return Refusal(path, "secret name", "its name says that it holds secrets")
        return self._refused_by_patterns(path, is_folder=False)

    def _refused_by_patterns(self, path: Path, *, is_folder: bool) -> Refusal | None:
        relative = path.relative_to(self.root).as_posix() + ("/" if is_folder else "")
        if self._exclude.match_file(relative):
            return Refusal(path, "excluded", "the settings exclude it")
        if self.rules.include and not is_folder and not self._include.match_file(relative):
            return Refusal(path, "not included", "the settings do not include it")
        if not self.rules.gitignore:
            return None
        verdict = self._git.verdict(path, is_folder=is_folder)
        if verdict.problem:
            return Refusal(path, "unreadable rules", verdict.problem)
        return Refusal(path, "ignored", "git ignores it") if verdict.ignored else None

    def _content(self, path: Path) -> str:
        """Text of a file whose name was allowed; opened without following a link put there meanwhile."""
        try:
            with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
                data = file.read(self.rules.max_bytes + 1)
        except OSError as wrong:
            raise RefusedError(Refusal(path, "unreadable", f"it cannot be read ({wrong.strerror})")) from None
        if len(data) > self.rules.max_bytes:
            reason: tuple[Reason, str] = "too large", f"it has more than {self.rules.max_bytes} bytes"
            raise RefusedError(Refusal(path, *reason))
        text = as_text(data)
        if isinstance(text, tuple):
            raise RefusedError(Refusal(path, *text))
        return text


def is_excluded(path: Path, root: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a user's patterns leave a file alone.

    Args:
        path: of the file, absolute.
        root: the folder that the patterns are relative to.
        patterns: as in .gitignore.

    Raises:
        RulesError: a pattern cannot be read.
    """
    return path.is_relative_to(root) and _spec("exclude", patterns).match_file(
        path.relative_to(root).as_posix()
    )


def unreadable_pattern(patterns: Iterable[str]) -> str | None:
    """The first of a user's patterns that makes no sense; None if all do."""
    return next((pattern for pattern in patterns if not _is_readable(pattern)), None)


@lru_cache
def _spec(name: str, patterns: tuple[str, ...]) -> GitIgnoreSpec:
    wrong = unreadable_pattern(patterns)
    if wrong is not None:
        raise RulesError(f"The {name} pattern `{wrong}` cannot be read; write it as in .gitignore.")
    return GitIgnoreSpec.from_lines(patterns)


def _is_readable(pattern: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([pattern])
    except (TypeError, ValueError, re.error):
        return False
    return True
