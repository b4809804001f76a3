"""A user's patterns in .gitignore's syntax, which apply to every spelling of a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pathspec import GitIgnoreSpec

from cg2ls.errors import Cg2Error
from cg2ls.workspace.paths import Place, folded, ignores_case

_WILD = re.compile(r"[*?\[\\]")


class RulesError(Cg2Error):
    """A user's pattern cannot be read."""


class Patterns:
    """Patterns relative to one folder.

    A pattern without wildcards names a path. If this path is a link, its target is included, unless that is
    the whole folder.

    Args:
        name: what the patterns are for, for messages.
        patterns: as in .gitignore.
        folder: that they are relative to.

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
        """Find again which patterns name links, and what the links lead to."""
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
        """Return whether any name of a place matches, or whether it lies in what a pattern's link leads to."""
        return any(map(self._matches, filter(None, place.names_in(self._folder)))) or any(
            place.lies_in(linked) for linked in self._linked
        )

    def _matches(self, name: str) -> bool:
        return bool(self._spec.match_file(folded(name, ignores_case=self._ignores_case)))


def is_excluded(path: Place, root: Place, patterns: tuple[str, ...]) -> bool:
    """Return whether a user's patterns exclude a file, however it and its folder are spelled.

    Args:
        path: of the file.
        root: the folder that the patterns are relative to.
        patterns: as in .gitignore.

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
