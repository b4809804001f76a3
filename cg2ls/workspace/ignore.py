"""Git's rules for what does not belong to a repository.

The `pathspec` library matches the patterns. As in git, a file's rules are those of every .gitignore between
the repository's root and its folder. The last match decides, and nothing inside an ignored folder can be
included again. If rules cannot be read, everything that they could concern is refused.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from cg2ls.workspace.paths import folded, ignores_case

GITIGNORE = ".gitignore"


@dataclass(frozen=True)
class RuleFile:
    """One file of patterns.

    Attributes:
        folder: that the patterns are relative to.
        spec: the patterns; None if they cannot be read.
        problem: why not.
    """

    folder: Path
    spec: GitIgnoreSpec | None
    problem: str = ""


@dataclass(frozen=True)
class Verdict:
    """Result of git's rules for one path.

    Attributes:
        ignored: whether it is ignored.
        problem: why its rules cannot be read, if that is so.
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
        """Return whether git would ignore a path because of itself, not because of a folder it lies in.

        Args:
            path: absolute, inside the root.
            is_folder: what it is.
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
        file: to read.
        folder: that the patterns are relative to.
        ignores_case: whether the file system does; patterns and names are folded then.
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
    """Spell out patterns for everything, which pathspec would shorten to ones that match no whole path."""
    sign, bare = ("!", pattern[1:].rstrip()) if pattern.startswith("!") else ("", pattern.rstrip())
    if "*" in bare and not bare.strip("*/"):
        return f"{sign}?*/" if bare.endswith("/") else f"{sign}?*"
    return f"{sign}{bare}/*" if bare.endswith("/**") else pattern


def repository_of(folder: Path) -> Path | None:
    """Return the folder with .git at or above `folder`; None if there is none."""
    return next((at for at in (folder, *folder.parents) if os.path.lexists(at / ".git")), None)
