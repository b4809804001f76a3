"""Update an index on disk from the workspace's files."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cg2ls.models.folder.locations import warn_once
from cg2ls.retrieval.memory.index import EMPTY, Index
from cg2ls.retrieval.memory.installed_packages import Installed
from cg2ls.retrieval.memory.read_workspace import differing, listing, read_files
from cg2ls.retrieval.memory.store import Store, StoreError
from cg2ls.retrieval.memory.suffix_segment import Segment, find_numbers
from cg2ls.workspace import ReadingRules, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.read_workspace import Listener, Stamp

log = logging.getLogger(__name__)

MAX_CHANGED_SHARE = 0.1
"""Share of the workspace's bytes that may change before the index on disk is written again."""

MAX_UNSTORED_BYTES = 1_000_000
"""Bytes of changed files that are kept in memory only; the server reads them itself, in half a second."""


@dataclass(frozen=True)
class Task:
    """Content and location of an index.

    Attributes:
        workspace: rules for reading, and the folder.
        language: LSP id of the files that count.
        store: the index on disk.
        direct: installed packages that the workspace itself requires; None for a workspace's own files.
            The index of packages is written again when any file changes, so no part of it is only in memory.
    """

    workspace: Workspace
    language: str
    store: Store
    direct: frozenset[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, for another process."""
        return {
            "root": str(self.workspace.root),
            "rules": asdict(self.workspace.rules),
            "language": self.language,
            "store": self.store.to_json(),
            "direct": None if self.direct is None else sorted(self.direct),
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Task:
        """Read what `to_json` returned."""
        rules: dict[str, Any] = {name: _frozen(each) for name, each in said["rules"].items()}
        return cls(
            Workspace(Path(said["root"]), ReadingRules(**rules)),
            said["language"],
            Store.from_json(said["store"]),
            None if said["direct"] is None else frozenset(said["direct"]),
        )


@dataclass(frozen=True)
class Updated:
    """Result of an update.

    Attributes:
        index: index of the files.
        changed: files that are new or changed, to be kept in memory.
        gone: files of the index that no longer exist.
        problem: why the index could not be written, in a sentence; "" if it is on disk.
    """

    index: Index
    changed: dict[str, Stamp]
    gone: list[str]
    problem: str = ""


class Update(Protocol):
    """Callable that updates an index, in this process or another one."""

    def __call__(self, task: Task, tokenizer: CodeTokenizer, known: Index, listener: Listener, /) -> Updated:
        """Update the index and return it."""


def in_process(task: Task, tokenizer: CodeTokenizer, known: Index, listener: Listener) -> Updated:
    """Write the index again if much changed; slow, for a background thread.

    Args:
        task: index to update.
        tokenizer: tokenizer of the model.
        known: the index as last read; without files, it is read from disk.
        listener: receives progress.

    Raises:
        StoppedError: the listener requested it.
    """
    base = known if known.files else _read(task.store)
    files = listing(task.workspace, task.language, listener.refused)
    if task.direct is not None:
        files = Installed(task.workspace, task.direct).choose(files)
    changed, gone = differing(base, files)
    if not _needs_writing(task, files, changed, gone, base):
        return Updated(base, {path: files[path] for path in changed}, gone)
    noted, tokens = read_files(
        task.workspace,
        files,
        tokenizer.encode,
        reuse=base,
        listener=listener,
        numbers=find_numbers(tokenizer.special.vocab_size),
    )
    try:
        return Updated(task.store.write(noted, tokens), {}, [])
    except StoreError as error:
        warn_once(str(error))
        in_memory = Index(noted, Segment.of(tokens, tokenizer.special.end_of_text))
        return Updated(in_memory, {}, [], problem=str(error))


def bytes_of(stamps: Iterable[Stamp], workspace: Workspace) -> int:
    """Return the total bytes of files, without those too large to be read."""
    return sum(stamp.size for stamp in stamps if stamp.size <= workspace.rules.max_bytes)


def _frozen(value: Any) -> Any:
    """Return a JSON value with tuples in place of lists."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _needs_writing(
    task: Task, files: dict[str, Stamp], changed: list[str], gone: list[str], base: Index
) -> bool:
    if task.direct is not None:
        return bool(changed or gone)
    limit = min(MAX_CHANGED_SHARE * bytes_of(files.values(), task.workspace), MAX_UNSTORED_BYTES)
    is_large = bytes_of((files[path] for path in changed), task.workspace) > limit
    return is_large or len(gone) > MAX_CHANGED_SHARE * len(base.files)


def _read(store: Store) -> Index:
    """Return the index on disk, or an empty one if it cannot be used."""
    try:
        return store.read()
    except StoreError as error:
        log.info("%s", error)
        return EMPTY
