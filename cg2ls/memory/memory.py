"""What one workspace's files of one language say about the next token."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.memory.build import Stamp, differing, listing, read_files, stamp_of
from cg2ls.memory.evidence import DocumentPart, IndexPart, Part
from cg2ls.memory.index import EMPTY, Index, folder_of
from cg2ls.memory.live import LONG, LiveDocument
from cg2ls.memory.mixture import Mixture, MixtureError, shipped
from cg2ls.memory.prior import MemoryPrior
from cg2ls.memory.segment import DEPTH, Segment
from cg2ls.memory.store import Store, StoreError
from cg2ls.workspace.languages import language_of_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.codegen2.tokenizer import CodeTokenizer
    from cg2ls.memory.build import Progress
    from cg2ls.workspace import Refusal, Workspace

log = logging.getLogger(__name__)

MERGE = 0.1
"""Share of the workspace's bytes that may be changed before the index on disk is written anew."""

OPEN_DOCUMENTS = 8
"""Documents kept live; the one completed longest ago is given up."""

LARGE = 200_000
"""Characters of a document that is taken in at once when it is first completed; larger ones wait for `opened`."""


class Memory:
    """The workspace's index and the open documents.

    `prior` and `edited` are for the thread that completes, `refresh` for one in the background; they may overlap.

    Args:
        workspace: what may be read.
        language: LSP id of the files that count.
        tokenizer: the model's.
        mixture: how to weigh what is found; None for the package's own weights.
        store: where the index lies on disk; None for the user's cache.

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
        self._live: OrderedDict[str, LiveDocument] = OrderedDict()
        self._opening: set[str] = set()

    def wants(self, name: str) -> bool:
        """Whether a file's name says that it is of this memory's language."""
        return language_of_name(name) == self.language

    @property
    def indexed_tokens(self) -> int:
        """Tokens of the workspace's files."""
        return self._base.tokens + self._changes.tokens

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
            base = self._read_base()
            files = listing(self.workspace, self.language, refused)
            changed, gone = differing(base, files)
            big = sum(files[path].size for path in changed) > MERGE * sum(s.size for s in files.values())
            more = {"report": report, "refused": refused, "stop": stop}
            if big or len(gone) > MERGE * len(base.files):
                base = self._written(files, base, **more)
                changes, gone = EMPTY, []
            else:
                some = {path: files[path] for path in changed}
                changes = self._in_memory(some, self._changes, **more)
            with self.lock:
                self._base, self._changes = base, changes
                self._gone = frozenset([*gone, *(file.path for file in changes.files)])
            self._settle()

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
            self._settle()

    def prior(self, path: str, text: str, offset: int) -> MemoryPrior | None:
        r"""What memory knows about the text at a place of a document.

        Args:
            path: of the document, relative to the workspace with slashes; any name if it lies outside.
            text: the document with `\n` line ends.
            offset: where the answer begins, in characters.

        Returns:
            None where nothing is known yet.
        """
        with self.lock:
            document: list[Part] = []
            live = self._document(path, text)
            if live is not None:
                left, hidden = live.lines.before(offset)
                document = [DocumentPart(live, hidden)]
            else:
                line = text.rfind("\n", 0, max(0, offset - 1)) + 1
                left = np.array(self.encode(text[max(line, offset - 500) : offset]), np.uint16)
            parts = [*document, *self._parts(path)]
        if not parts:
            return None
        if len(left) < DEPTH:
            left = np.concatenate([np.array([self.separator], np.uint16), left])
        return MemoryPrior(parts, left, self.mixture, self.lock)

    def must_open(self, path: str, text: str) -> bool:
        """Whether a document is new and so large that `opened` should take it in; true once."""
        with self.lock:
            wanted = len(text) > LARGE and path not in self._live and path not in self._opening
            if wanted:
                self._opening.add(path)
            return wanted

    def opened(self, path: str, text: str) -> None:
        """Takes a document in; slow for a large one, for the background."""
        live = LiveDocument(self.encode, self.separator)
        live.update(text)
        with self.lock:
            self._live[path] = live
            self._opening.discard(path)
            self._bound()

    def closed(self, path: str) -> None:
        """Forgets a document."""
        with self.lock:
            self._live.pop(path, None)

    def _document(self, path: str, text: str) -> LiveDocument | None:
        live = self._live.pop(path, None)
        if live is None:
            if len(text) > LARGE:
                return None
            live = LiveDocument(self.encode, self.separator)
        live.update(text)
        self._live[path] = live
        self._bound()
        return live

    def _bound(self) -> None:
        while len(self._live) > OPEN_DOCUMENTS:
            self._live.popitem(last=False)

    def _parts(self, path: str) -> list[Part]:
        """The index and what changed since, the document itself left out."""
        base, changes, folder = self._base, self._changes, folder_of(path)
        parts: list[Part] = []
        if changes.files:
            near = np.ones(len(changes.files), np.bool_)
            parts.append(IndexPart(changes, changes.dead([path]), near))
        if base.files:
            parts.append(IndexPart(base, base.dead([path, *self._gone]), base.in_folder(folder)))
        return parts

    def _read_base(self) -> Index:
        if self._base.files:
            return self._base
        try:
            return self.store.read()
        except StoreError as wrong:
            log.info("%s", wrong)
            return EMPTY

    def _written(self, files: dict[str, Stamp], reuse: Index, **more: Any) -> Index:
        noted, tokens = read_files(self.workspace, files, self.encode, reuse=reuse, **more)
        try:
            return self.store.write(noted, tokens)
        except StoreError as wrong:
            log.warning("%s", wrong)
            return Index(noted, Segment.of(tokens, self.separator))

    def _in_memory(self, files: dict[str, Stamp], reuse: Index, **more: Any) -> Index:
        if not files:
            return EMPTY
        noted, tokens = read_files(self.workspace, files, self.encode, reuse=reuse, **more)
        return Index(noted, Segment.of(tokens, self.separator))

    def _settle(self) -> None:
        """Sorts documents anew that changed much since they were sorted last."""
        for live in list(self._live.values()):
            if live.changed_entries < LONG:
                continue
            with self.lock:
                tokens = live.lines.tokens
            segment = Segment.of([tokens], self.separator)
            with self.lock:
                if live.lines.tokens is tokens:
                    live.adopt(segment)


def _fitted(store: Store) -> tuple[Mixture, str]:
    """The weights fitted to this workspace, else those of the package."""
    if store.mixture.is_file():
        try:
            return Mixture.read(store.mixture), str(store.mixture)
        except MixtureError as wrong:
            log.warning("%s", wrong)
    return shipped(), "shipped"
