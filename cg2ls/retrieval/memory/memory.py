"""Repository memory of one workspace and language."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.retrieval.memory.index import EMPTY, Index, folder_of
from cg2ls.retrieval.memory.open_documents import OpenDocuments
from cg2ls.retrieval.memory.prior import DocumentPart, IndexPart, MemoryPrior, Part
from cg2ls.retrieval.memory.read_workspace import NO_LISTENER, Listener, Stamp, read_files, stamp_of
from cg2ls.retrieval.memory.store import Store
from cg2ls.retrieval.memory.suffix_segment import DEPTH, Segment, find_numbers
from cg2ls.retrieval.memory.update_index import MAX_UNSTORED_BYTES, Task, bytes_of, in_process
from cg2ls.retrieval.memory.vote_mixture import INSTALLED, NEAR, Mixture, MixtureError, shipped
from cg2ls.workspace.languages import language_of_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.installed_packages import Installed
    from cg2ls.retrieval.memory.read_workspace import Progress
    from cg2ls.retrieval.memory.suffix_segment import Tokens
    from cg2ls.retrieval.memory.update_index import Update
    from cg2ls.workspace import Refusal, Workspace

log = logging.getLogger(__name__)

NONE_OPEN: Mapping[str, str] = {}


class Memory:
    """The workspace's index and its open documents.

    `prior` runs in the thread that completes, `refresh` in a background thread; they may overlap.

    Args:
        workspace: rules for reading, and the folder.
        language: LSP id of the files that count.
        tokenizer: tokenizer of the model.
        mixture: weights of the votes; None for the package's own weights.
        store: the index's folder on disk; None for the user's cache.
        installed: installed packages to use; their index is in the user's cache, for all workspaces that share
            them.
        update: updates an index; `index_process.in_child` does it without delaying key presses.

    Attributes:
        mixture: the weights in use.
        mixture_origin: origin of the weights.
        lock: locked while open documents are read or changed.
    """

    def __init__(
        self,
        workspace: Workspace,
        language: str,
        tokenizer: CodeTokenizer,
        mixture: Mixture | None = None,
        store: Store | None = None,
        installed: Installed | None = None,
        update: Update = in_process,
    ) -> None:
        self.workspace = workspace
        self.language = language
        self.store = store or Store.of(workspace.root, language, tokenizer)
        self.mixture, self.mixture_origin = (mixture, "given") if mixture else _fitted(self.store)
        self.vocabulary = tokenizer.special.vocab_size
        self.encode = tokenizer.encode
        self._numbers = find_numbers(self.vocabulary)
        self._tokenizer = tokenizer
        self._update = update
        self.separator = tokenizer.special.end_of_text
        self.lock = RLock()
        self._refreshing = Lock()
        self._base = EMPTY
        self._changes = EMPTY
        self._gone: frozenset[str] = frozenset()
        self._packages = EMPTY
        self.installed = installed
        self.packages_store = (
            Store.of(
                installed.workspace.root,
                language,
                tokenizer,
                self.store.folder.parent if self.store.has_place else None,
            )
            if installed
            else None
        )
        self.documents = OpenDocuments(tokenizer, self.lock)

    def wants(self, name: str) -> bool:
        """Return whether a file's name belongs to this memory's language."""
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
        """Update the index from the files on disk; slow, for a background thread.

        Files that changed since the index was written are kept in memory, until there are enough to write it again.

        Args:
            report: receives progress.
            refused: receives each file or folder that may not be read.
            stop: returns whether to stop; called at intervals.

        Raises:
            StoppedError: `stop` returned true.
        """
        with self._refreshing:
            self._refresh(Listener(report, refused, stop))

    def file_changed(self, path: Path) -> None:
        """Read one changed file again; for a background thread.

        Args:
            path: absolute path; a file that memory does not read is ignored.
        """
        with self._refreshing:
            name = self.workspace.name_of(path)
            if name is None:
                return
            path = self.workspace.root / name
            with self.lock:
                changes, gone = self._changes, self._gone
            files = {file.path: Stamp(file.modified, file.size) for file in changes.files}
            stamp = None if self.workspace.refusal(path) else stamp_of(path)
            if stamp is not None:
                files[name] = stamp
            else:
                files.pop(name, None)
            if bytes_of(files.values(), self.workspace) > MAX_UNSTORED_BYTES:
                self._refresh(NO_LISTENER)
                return
            changes = self._index_changed(files, NO_LISTENER)
            self._adopt(self._base, changes, gone | {name})

    def prior(
        self, path: str, text: str, offset: int, others: Mapping[str, str] = NONE_OPEN
    ) -> MemoryPrior | None:
        r"""Return the prior for a place of a document.

        Args:
            path: path of the document, relative to the workspace with slashes; any name if it is outside.
            text: the document with `\n` line ends.
            offset: offset at which the answer begins, in characters.
            others: texts of other open documents by path, as in the editor, the last used first. They
                replace their files on disk.

        Returns:
            None if nothing is known yet.
        """
        with self.lock:
            document: list[Part] = []
            unsaved = self.documents.unsaved(others, self._tokens_of, self._may_read)
            live = self.documents.get(path, text)
            if live is not None:
                left, hidden = live.lines.before(offset)
                document = [DocumentPart(live.view(hidden))]
            else:
                line = text.rfind("\n", 0, max(0, offset - 1)) + 1
                left = np.array(self.encode(text[max(line, offset - 500) : offset]), self._numbers)
            parts = [*document, *self._parts(path, unsaved)]
        if not parts:
            return None
        if len(left) < DEPTH:
            left = np.concatenate([np.array([self.separator], self._numbers), left])
        return MemoryPrior(parts, left, self.mixture)

    def must_open(self, path: str, text: str) -> bool:
        """Return, once per document, whether it is new and so large that `opened` should index it."""
        with self.lock:
            return self.documents.must_open(path, text)

    def opened(self, path: str, text: str) -> None:
        """Index a document; slow for a large one, for a background thread."""
        self.documents.opened(path, text)

    def _parts(self, path: str, unsaved: Index) -> list[Part]:
        """Return the parts to search besides the document itself, whose file on disk is left out."""
        base, changes, packages = self._base, self._changes, self._packages
        open_paths = [path, *(file.path for file in unsaved.files)]
        parts: list[Part] = []
        for index, dead in ((unsaved, [path]), (changes, open_paths)):
            if index.files:
                parts.append(IndexPart(index, index.alive(dead), np.full(len(index.files), NEAR)))
        if base.files:
            alive = base.alive([*open_paths, *self._gone])
            parts.append(IndexPart(base, alive, base.sources(folder_of(path))))
        if packages.files:
            parts.append(IndexPart(packages, None, np.full(len(packages.files), INSTALLED)))
        return parts

    def _tokens_of(self, path: str) -> Tokens | None:
        """Return a file's tokens as last read."""
        changed = self._changes.tokens_of(path)
        if changed is not None or path in self._gone:
            return changed
        return self._base.tokens_of(path)

    def _may_read(self, path: str, text: str) -> bool:
        return self.workspace.refusal_of_text(Path(path), text) is None

    def _refresh(self, listener: Listener) -> None:
        """Do the work of `refresh` while holding the lock."""
        task = Task(self.workspace, self.language, self.store)
        done = self._update(task, self._tokenizer, self._base, listener)
        changes = self._index_changed(done.changed, listener)
        self._adopt(done.index, changes, frozenset([*done.gone, *done.changed]))
        if self.installed is not None and self.packages_store is not None:
            packages = self.installed
            task = Task(packages.workspace, self.language, self.packages_store, packages.direct)
            self._packages = self._update(task, self._tokenizer, self._packages, listener).index

    def _index_changed(self, files: dict[str, Stamp], listener: Listener) -> Index:
        """Build an index in memory of changed files, of at most MAX_UNSTORED_BYTES."""
        if not files:
            return EMPTY
        known = self._changes
        noted, tokens = read_files(
            self.workspace, files, self.encode, reuse=known, listener=listener, numbers=self._numbers
        )
        return Index(noted, Segment.of(tokens, self.separator))

    def _adopt(self, base: Index, changes: Index, gone: frozenset[str]) -> None:
        with self.lock:
            self._base, self._changes, self._gone = base, changes, gone
            self.documents.saved()
        self.documents.settle()


def _fitted(store: Store) -> tuple[Mixture, str]:
    """Return the weights fitted to this workspace, else the shipped ones, with their origin."""
    try:
        if store.has_place and store.mixture.is_file():
            return Mixture.read(store.mixture), str(store.mixture)
    except MixtureError as error:
        log.warning("%s", error)
    except OSError as error:
        log.warning("%s cannot be read (%s).", store.mixture, error.strerror)
    return shipped(), "shipped"
