"""Git's ignore rules, and the user's patterns in the same syntax.

The `pathspec` library matches the patterns. As in git, a file's rules are those of every .gitignore between
the repository's root and its folder. The last match decides, and nothing inside an ignored folder can be
included again. If rules cannot be read, everything that they could concern is refused.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec

from cg2ls.errors import Cg2Error
from cg2ls.workspace.paths import Place, folded, ignores_case

GITIGNORE = ".gitignore"


@dataclass(frozen=True)
class RuleFile:
    """One file of patterns.

    Attributes:
        folder: folder that the patterns are relative to.
        spec: the patterns; None if they cannot be read.
        problem: the reason if they cannot be read.
    """

    folder: Path
    spec: GitIgnoreSpec | None
    problem: str = ""


@dataclass(frozen=True)
class Verdict:
    """Result of git's rules for one path.

    Attributes:
        ignored: whether it is ignored.
        problem: reason if its rules cannot be read; "" otherwise.
    """

    ignored: bool = False
    problem: str = ""


class GitIgnore:
    """The rules for the files under one folder; rule files are read again when they change.

    Args:
        root: the folder, absolute. Rules of the folders above it count up to the repository's root.
    """

    def __init__(self, root: Path) -> None:
        self._repository = repository_of(root) or root
        self._ignores_case = ignores_case(root)
        self._cache: dict[Path, tuple[tuple[int, int] | None, RuleFile | None]] = {}

    def verdict(self, path: Path, *, is_folder: bool) -> Verdict:
        """Return whether git would ignore a path because of its own name, not because of a parent folder.

        Args:
            path: absolute path inside the root.
            is_folder: whether the path is a folder.
        """
        ignored = False
        for rules in self._files(path.parent):
            if rules.spec is None:
                return Verdict(problem=rules.problem)
            relative = path.relative_to(rules.folder).as_posix() + ("/" if is_folder else "")
            decided = _decision(rules.spec, folded(relative, ignores_case=self._ignores_case))
            if decided is not None:
                ignored = decided
        return Verdict(ignored)

    def _files(self, folder: Path) -> list[RuleFile]:
        """Return the rule files that apply in `folder`, the weakest first."""
        chain = [folder, *folder.parents]
        above = chain[: chain.index(self._repository) + 1] if self._repository in chain else [folder]
        places = [self._repository / ".git" / "info" / "exclude", *(at / GITIGNORE for at in reversed(above))]
        bases = [self._repository, *reversed(above)]
        found = (self._read(place, base) for place, base in zip(places, bases, strict=True))
        return [rules for rules in found if rules is not None]

    def _read(self, file: Path, folder: Path) -> RuleFile | None:
        try:
            state = file.stat()
            if not stat.S_ISREG(state.st_mode):
                return RuleFile(folder, None, f"the rules in {file} cannot be read (it is no file)")
            stamp = (state.st_mtime_ns, state.st_size)
        except (FileNotFoundError, NotADirectoryError):
            stamp = None
        except OSError as error:
            return RuleFile(folder, None, f"the rules in {file} cannot be read ({error.strerror})")
        known = self._cache.get(file)
        if known is None or known[0] != stamp:
            known = (
                stamp,
                None if stamp is None else read_rules(file, folder, ignores_case=self._ignores_case),
            )
            self._cache[file] = known
        return known[1]


def read_rules(file: Path, folder: Path, *, ignores_case: bool = False) -> RuleFile:
    """Read a file of patterns.

    Args:
        file: file to read.
        folder: folder that the patterns are relative to.
        ignores_case: whether the file system ignores case; then patterns and names are folded.
    """
    try:
        lines = file.read_bytes().decode("utf-8").splitlines()
        patterns = (_explicit(folded(line, ignores_case=ignores_case)) for line in lines)
        return RuleFile(folder, GitIgnoreSpec.from_lines(patterns))
    except OSError as error:
        why = error.strerror or "it cannot be opened"
    except (UnicodeDecodeError, ValueError, re.error):
        why = "they are no patterns"
    return RuleFile(folder, None, f"the rules in {file} cannot be read ({why})")


def _decision(spec: GitIgnoreSpec, relative: str) -> bool | None:
    """Return whether the last pattern that matches this path ignores it; None if none matches.

    The library's own matching also accepts a path below a match. Here each parent folder is checked
    separately: `!c` must not include a path below `c` that another pattern ignores.
    """
    for pattern in reversed(spec.patterns):
        if pattern.regex is not None and pattern.regex.fullmatch(relative):
            return bool(pattern.include)
    return None


def _explicit(pattern: str) -> str:
    """Expand patterns for everything, which pathspec would shorten to ones that match no whole path."""
    sign, bare = ("!", pattern[1:].rstrip()) if pattern.startswith("!") else ("", pattern.rstrip())
    if "*" in bare and not bare.strip("*/"):
        return f"{sign}?*/" if bare.endswith("/") else f"{sign}?*"
    return f"{sign}{bare}/*" if bare.endswith("/**") else pattern


def repository_of(folder: Path) -> Path | None:
    """Return the folder with .git at or above `folder`; None if there is none."""
    return next((at for at in (folder, *folder.parents) if os.path.lexists(at / ".git")), None)


_WILD = re.compile(r"[*?\[\\]")


class RulesError(Cg2Error):
    """A user's pattern cannot be read."""


class Patterns:
    """Patterns relative to one folder.

    A pattern without wildcards names a path. If this path is a link, its target is included, unless that is
    the whole folder.

    Args:
        name: name of the patterns in messages.
        patterns: patterns as in .gitignore.
        folder: folder that they are relative to.

    Raises:
        RulesError: a pattern cannot be read.
    """

    def __init__(self, name: str, patterns: Sequence[str], folder: Place) -> None:
        wrong = unreadable_pattern(patterns)
        if wrong is not None:
            raise RulesError(f"The {name} pattern `{wrong}` cannot be read; write it as in .gitignore.")
        self._folder = folder
        self._ignores_case = ignores_case(folder.real)
        self._spec = _spec(tuple(folded(each, ignores_case=self._ignores_case) for each in patterns))
        self._literal = [
            bare
            for each in patterns
            if (bare := each.strip().strip("/")) and each[0] not in "#!" and not _WILD.search(bare)
        ]
        self._linked: tuple[Place, ...] = ()
        self._linked_names: tuple[str, ...] = ()
        self.look_at_links()

    def look_at_links(self) -> None:
        """Find again the patterns that name links, and the links' targets."""
        named = [
            Place(self._folder.real / bare)
            for bare in self._literal
            if self._matches(bare) or self._matches(f"{bare}/")
        ]
        self._linked = tuple(
            place for place in named if len(place.forms) > 1 and not self._folder.lies_in(Place(place.real))
        )
        self._linked_names = tuple(
            name for place in self._linked for name in Place(place.real).names_in(self._folder) if name
        )

    def match(self, name: str) -> bool:
        """Return whether a name relative to the folder matches; a folder's name ends with a slash."""
        inside = (name == linked or name.startswith(f"{linked}/") for linked in self._linked_names)
        return self._matches(name) or any(inside)

    def cover(self, place: Place) -> bool:
        """Return whether any name of a place matches, or whether it is in the target of a pattern's link."""
        return any(map(self._matches, filter(None, place.names_in(self._folder)))) or any(
            place.lies_in(linked) for linked in self._linked
        )

    def _matches(self, name: str) -> bool:
        return bool(self._spec.match_file(folded(name, ignores_case=self._ignores_case)))


def is_excluded(path: Place, root: Place, patterns: tuple[str, ...]) -> bool:
    """Return whether a user's patterns exclude a file, in any spelling of it and its folder.

    Args:
        path: path of the file.
        root: the folder that the patterns are relative to.
        patterns: patterns as in .gitignore.

    Raises:
        RulesError: a pattern cannot be read.
    """
    return Patterns("exclude", patterns, root).cover(path)


def unreadable_pattern(patterns: Iterable[str]) -> str | None:
    """Return the first pattern that cannot be read; None if all can."""
    return next((pattern for pattern in patterns if not _is_readable(pattern)), None)


@lru_cache
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns)


@lru_cache(maxsize=1024)
def _is_readable(pattern: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([pattern])
    except (TypeError, ValueError, re.error):
        return False
    return True
