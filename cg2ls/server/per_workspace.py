"""Values that are made once for each workspace, language and model, of which outdated and old ones are dropped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.workspace import ReadingRules

T = TypeVar("T")

MAX_KEPT = 16
"""Values kept; beyond that the one that was not used for the longest time is dropped."""

Key = tuple[Path, str, int, bool]
"""A value's folder, language, engine, and whether installed packages count."""


@dataclass(frozen=True)
class _Kept(Generic[T]):
    """A value, what it was made for, and the engine itself: while it is held, its id names no other one."""

    rules: ReadingRules
    engine: CompletionEngine
    value: T


class PerWorkspace(Generic[T]):
    """Values by workspace, language and model.

    A folder has one value for each of its languages and models. Where other files of it may be read than before, the
    value is replaced.

    Args:
        open_engines: returns the engines that are open; values of others are dropped.
        on_drop: receives each value that is dropped.
    """

    def __init__(
        self,
        open_engines: Callable[[], Collection[CompletionEngine]],
        on_drop: Callable[[T], object] = lambda _: None,
    ) -> None:
        self._open_engines = open_engines
        self._on_drop = on_drop
        self._kept: OrderedDict[Key, _Kept[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[T]:
        """Yield the values."""
        return iter([kept.value for kept in self._kept.values()])

    def find(
        self,
        folder: Path,
        language: str,
        engine: CompletionEngine,
        rules: ReadingRules,
        make: Callable[[], T],
        *,
        packages: bool = False,
    ) -> T:
        """Return the value for a folder; make it if there is none yet or the rules are others.

        Args:
            folder: the workspace, or a document's own folder outside of workspaces.
            language: LSP id of the language.
            engine: the open model.
            rules: what of the folder may be read.
            make: makes the value.
            packages: whether installed packages count.
        """
        key = folder, language, id(engine), packages
        kept = self._kept.get(key)
        if kept is None or kept.rules != rules:
            self._drop(key)
            self._drop_outdated()
            kept = self._kept[key] = _Kept(rules, engine, make())
        self._kept.move_to_end(key)
        return kept.value

    def clear(self) -> None:
        """Drop every value."""
        for key in list(self._kept):
            self._drop(key)

    def _drop_outdated(self) -> None:
        """Drop the values of closed engines, and the oldest, so that there is room for one more."""
        open_ids = {id(engine) for engine in self._open_engines()}
        for key, kept in list(self._kept.items()):
            if id(kept.engine) not in open_ids:
                self._drop(key)
        while len(self._kept) >= MAX_KEPT:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._on_drop(kept.value)
