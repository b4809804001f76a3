"""What one workspace's files of one language say about the next token."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.memory.build import Stamp, differing, listing, read_files, stamp_of
from cg2ls.memory.documents import OpenDocuments
from cg2ls.memory.evidence import DocumentPart, IndexPart, Part
from cg2ls.memory.index import EMPTY, Index, folder_of
from cg2ls.memory.mixture import INSTALLED, NEAR, Mixture, MixtureError, shipped
from cg2ls.memory.prior import MemoryPrior
from cg2ls.memory.segment import DEPTH, Segment
from cg2ls.memory.store import Store, StoreError
from cg2ls.workspace.languages import language_of_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cg2ls.codegen2.tokenizer import CodeTokenizer
    from cg2ls.memory.build import Progress
    from cg2ls.memory.installed import Installed
    from cg2ls.workspace import Refusal, Workspace

log = logging.getLogger(__name__)

MERGE = 0.1
"""Share of the workspace's bytes that may be changed before the index on disk is written anew."""


NONE_OPEN: Mapping[str, str] = {}


class Memory:
    """The workspace's index and the open documents.

    `prior` is for the thread that completes, `refresh` for one in the background; they may overlap.

    Args:
        workspace: what may be read.
        language: LSP id of the files that count.
        tokenizer: the model's.
        mixture: how to weigh what is found; None for the package's own weights.
        store: where the index lies on disk; None for the user's cache.
        installed: packages that take part; their index lies in the user's cache, for all workspaces that share them.

    Attributes:
        mixture: the weights in use.
        mixture_origin: where they come from.
        lock: held while open documents are looked at or changed.
    """

    def __init__(
        self,
        workspace: Workspace,
        language: str,
        tokenizer: CodeTokenizer,
        mixture: Mixture | None = None,
        store: Store | None = None,
        installed: Installed | None = None,
    ) -> None:
        self.workspace = workspace
        self.language = language
        self.store = store or Store.of(workspace.root, language, tokenizer)
        self.mixture, self.mixture_origin = (mixture, "given") if mixture else _fitted(self.store)
        self.vocabulary = tokenizer.special.vocab_size
        self.encode = tokenizer.encode
        self.separator = tokenizer.special.end_of_text
        self.lock = RLock()
        self._refreshing = Lock()
        self._base = EMPTY
        self._changes = EMPTY
        self._gone: frozenset[str] = frozenset()
        self._packages = EMPTY
        self.installed = installed
        self.packages_store = (
            Store.of(installed.workspace.root, language, tokenizer, self.store.folder.parent)
            if installed
            else None
        )
        self.documents = OpenDocuments(tokenizer, self.lock)

    def wants(self, name: str) -> bool:
        """Whether a file's name says that it is of this memory's language."""
        return language_of_name(name) == self.language

    @property
    def indexed_tokens(self) -> int:
        """Tokens of the workspace's files."""
        return self._base.tokens + self._changes.tokens

    @property
    def installed_tokens(self) -> int:
        """Tokens of installed packages."""
        return self._packages.tokens

    def refresh(
        self,
        report: Callable[[Progress], None] = lambda _: None,
        refused: Callable[[Refusal], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Brings the index up to date with the files on disk; slow, for the background.

        What changed since the index was written is kept beside it, until it is much enough to write it anew.

        Raises:
            StoppedError: `stop` returned true.
        """
        with self._refreshing:
            base = self._base if self._base.files else _read(self.store)
            files = listing(self.workspace, self.language, refused)
            changed, gone = differing(base, files)
            big = sum(files[path].size for path in changed) > MERGE * sum(s.size for s in files.values())
            more = {"report": report, "refused": refused, "stop": stop}
            if big or len(gone) > MERGE * len(base.files):
                base = self._written(self.workspace, self.store, files, base, **more)
                changes, gone = EMPTY, []
            else:
                some = {path: files[path] for path in changed}
                changes = self._in_memory(some, self._changes, **more)
            with self.lock:
                self._base, self._changes = base, changes
                self._gone = frozenset([*gone, *(file.path for file in changes.files)])
                self.documents.saved()
            self.documents.settle()
            self._refresh_packages(report, refused, stop)

    def file_changed(self, path: Path) -> None:
        """Takes one file's new content on disk in; for the background.

        Args:
            path: absolute; nothing happens if memory has no use for it.
        """
        with self._refreshing:
            if not path.is_relative_to(self.workspace.root):
                return
            name = path.relative_to(self.workspace.root).as_posix()
            with self.lock:
                changes, gone = self._changes, self._gone
            files = {file.path: Stamp(file.modified, file.size) for file in changes.files}
            stamp = None if self.workspace.refusal(path) else stamp_of(path)
            if stamp is not None:
                files[name] = stamp
            else:
                files.pop(name, None)
            changes = self._in_memory(files, changes)
            with self.lock:
                self._changes, self._gone = changes, gone | {name}
                self.documents.saved()
            self.documents.settle()

    def prior(
        self, path: str, text: str, offset: int, others: Mapping[str, str] = NONE_OPEN
    ) -> MemoryPrior | None:
        r"""What memory knows about the text at a place of a document.

        Args:
            path: of the document, relative to the workspace with slashes; any name if it lies outside.
            text: the document with `\n` line ends.
            offset: where the answer begins, in characters.
            others: texts of other open documents by path, as they stand in the editor, the last used first. They
                take the place of their files on disk.

        Returns:
            None where nothing is known yet.
        """
        with self.lock:
            document: list[Part] = []
            unsaved = self.documents.unsaved(others, self._tokens_of, self._may_read)
            live = self.documents.get(path, text)
            if live is not None:
                left, hidden = live.lines.before(offset)
                document = [DocumentPart(live, hidden)]
            else:
                line = text.rfind("\n", 0, max(0, offset - 1)) + 1
                left = np.array(self.encode(text[max(line, offset - 500) : offset]), np.uint16)
            parts = [*document, *self._parts(path, unsaved)]
        if not parts:
            return None
        if len(left) < DEPTH:
            left = np.concatenate([np.array([self.separator], np.uint16), left])
        return MemoryPrior(parts, left, self.mixture, self.lock)

    def must_open(self, path: str, text: str) -> bool:
        """Whether a document is new and so large that `opened` should take it in; true once."""
        with self.lock:
            return self.documents.must_open(path, text)

    def opened(self, path: str, text: str) -> None:
        """Takes a document in; slow for a large one, for the background."""
        self.documents.opened(path, text)

    def _parts(self, path: str, unsaved: Index) -> list[Part]:
        """What is searched beside the document itself, whose file on disk does not count."""
        base, changes, packages = self._base, self._changes, self._packages
        open_paths = [path, *(file.path for file in unsaved.files)]
        parts: list[Part] = []
        for index, dead in ((unsaved, [path]), (changes, open_paths)):
            if index.files:
                parts.append(IndexPart(index, index.dead(dead), np.full(len(index.files), NEAR)))
        if base.files:
            dead_files = base.dead([*open_paths, *self._gone])
            parts.append(IndexPart(base, dead_files, base.sources(folder_of(path))))
        if packages.files:
            far = np.full(len(packages.files), INSTALLED)
            parts.append(IndexPart(packages, np.zeros(len(far), np.bool_), far))
        return parts

    def _tokens_of(self, path: str) -> NDArray[np.uint16] | None:
        """A file's tokens as it was read last."""
        changed = self._changes.tokens_of(path)
        if changed is not None or path in self._gone:
            return changed
        return self._base.tokens_of(path)

    def _may_read(self, path: str, text: str) -> bool:
        return self.workspace.refusal_of_text(Path(path), text) is None

    def _refresh_packages(
        self,
        report: Callable[[Progress], None],
        refused: Callable[[Refusal], None],
        stop: Callable[[], bool],
    ) -> None:
        """Reads installed packages again if any file of them is another."""
        if self.installed is None or self.packages_store is None:
            return
        where, store = self.installed.workspace, self.packages_store
        known = _read(store)
        files = self.installed.chosen(listing(where, self.language, refused))
        changed, gone = differing(known, files)
        if changed or gone:
            more = {"report": report, "refused": refused, "stop": stop}
            known = self._written(where, store, files, known, **more)
        self._packages = known

    def _written(
        self, where: Workspace, store: Store, files: dict[str, Stamp], reuse: Index, **more: Any
    ) -> Index:
        noted, tokens = read_files(where, files, self.encode, reuse=reuse, **more)
        try:
            return store.write(noted, tokens)
        except StoreError as wrong:
            log.warning("%s", wrong)
            return Index(noted, Segment.of(tokens, self.separator))

    def _in_memory(self, files: dict[str, Stamp], reuse: Index, **more: Any) -> Index:
        if not files:
            return EMPTY
        noted, tokens = read_files(self.workspace, files, self.encode, reuse=reuse, **more)
        return Index(noted, Segment.of(tokens, self.separator))


def _read(store: Store) -> Index:
    """The index on disk, or none if it cannot be used."""
    try:
        return store.read()
    except StoreError as wrong:
        log.info("%s", wrong)
        return EMPTY


def _fitted(store: Store) -> tuple[Mixture, str]:
    """The weights fitted to this workspace, else those of the package."""
    if store.mixture.is_file():
        try:
            return Mixture.read(store.mixture), str(store.mixture)
        except MixtureError as wrong:
            log.warning("%s", wrong)
    return shipped(), "shipped"
