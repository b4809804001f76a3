"""Repository memory of the open documents' workspaces: built in the background, refreshed as files change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lsprotocol import types

from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.installed_packages import installed
from cg2ls.retrieval.memory.read_workspace import StoppedError
from cg2ls.server.background import LowPriorityThread
from cg2ls.server.failures import cause_of
from cg2ls.server.per_workspace import PerWorkspace
from cg2ls.server.uris import is_left_alone, path_of, root_of
from cg2ls.workspace import Workspace
from cg2ls.workspace.languages import LANGUAGES, same_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2ls.completion import CompletionEngine
    from cg2ls.completion.types import PriorOf
    from cg2ls.engine.request import Prior
    from cg2ls.retrieval.memory.read_workspace import Progress
    from cg2ls.server.background import BackgroundTasks
    from cg2ls.server.client import Feature, LanguageClient
    from cg2ls.server.documents import Document, Documents
    from cg2ls.server.failures import Failures
    from cg2ls.server.models import ModelLoader
    from cg2ls.server.prompt_context import PromptContextProvider
    from cg2ls.server.settings import Settings
    from cg2ls.server.snapshot import Snapshot

log = logging.getLogger(__name__)

WATCH_ID = "cg2ls-memory"
"""Id of the registration for changed files."""

MAX_DOCUMENT_CHARS = 4_000_000
"""Maximum characters of a document that is read. A larger one is data, and would delay keys in other documents."""

MAX_OTHER_DOCUMENTS = 16
"""Maximum number of other open documents whose unsaved text is used."""


@dataclass(frozen=True)
class _Opened:
    """A memory, and the event that ends the reading of its workspace when nobody needs it any more."""

    memory: Memory
    is_dropped: threading.Event = field(default_factory=threading.Event)


class RepositoryMemory:
    """Memories of the workspaces of open documents, each made when a document first needs it.

    Args:
        settings: which options are in force where.
        documents: the open documents, whose unsaved text takes part.
        models: whose tokenizers are used.
        client: sees progress and messages.
        failures: where errors are recorded.
        tasks: runs the building.

    Attributes:
        on_built: called when a workspace has been read.
    """

    def __init__(
        self,
        settings: Settings,
        documents: Documents,
        models: ModelLoader,
        client: LanguageClient,
        failures: Failures,
        tasks: BackgroundTasks,
    ) -> None:
        self._settings = settings
        self._documents = documents
        self._models = models
        self._client = client
        self._failures = failures
        self._tasks = tasks
        self.on_built: Callable[[], object] = lambda: None
        self._opened: PerWorkspace[_Opened] = PerWorkspace(
            models.models.open_engines, lambda opened: opened.is_dropped.set()
        )
        self._texts: WeakKeyDictionary[Document, tuple[int, str]] = WeakKeyDictionary()
        self._background = LowPriorityThread()
        self._leaving = threading.Event()

    def prior_of(
        self,
        document: Snapshot | Document,
        engine: CompletionEngine,
        others: Mapping[str, str] | None = None,
    ) -> PriorOf | None:
        """Return the source of a document's priors; None if options or its place exclude it from memory.

        Args:
            document: the document to complete.
            engine: the model that completes it.
            others: other texts that take part, by name; None for the other open documents.
        """
        options = self._settings.of(document.uri, document.language)
        path = path_of(document.uri)
        if not (options.enable and options.repository_memory) or path is None:
            return None
        if len(document.text) > MAX_DOCUMENT_CHARS:
            return None
        root = root_of(path, self._settings.roots)
        packages = (
            options.repository_memory_dependencies and root is not None and _knows(engine, document.language)
        )
        folder = root or path.parent
        rules = self._settings.reading_rules(folder, document.language)

        def open_memory() -> _Opened:
            workspace = Workspace(folder, rules)
            found = installed(workspace.root, document.language) if packages else None
            opened = _Opened(
                Memory(workspace, document.language, engine.tokenizer, installed=found, update=in_child)
            )
            if root is not None:
                self._tasks.start(self._build(opened))
            return opened

        memory = self._opened.find(
            folder, document.language, engine, rules, open_memory, packages=packages
        ).memory
        name = _name(memory, path)
        texts = self._others(memory, name) if others is None else others

        def prior(text: str, offset: int) -> Prior | None:
            if memory.must_open(name, text):
                self._do(document.uri, lambda: memory.opened(name, text))
            return memory.prior(name, text, offset, texts)

        return prior

    def _others(self, memory: Memory, name: str) -> dict[str, str]:
        """Return texts of the other open documents that a memory covers, as they are in the editor."""
        texts: dict[str, str] = {}
        for document in reversed(list(self._documents)):
            path = path_of(document.uri)
            if path is None or document.language != memory.language or len(texts) == MAX_OTHER_DOCUMENTS:
                continue
            other = _name(memory, path)
            inside = other != name and not Path(other).is_absolute()
            options = self._settings.of(document.uri, document.language)
            takes_part = inside and options.enable and options.repository_memory
            if not takes_part or self._is_private(document, options.exclude):
                continue
            texts[other] = self._text(document)
        return texts

    def _is_private(self, document: Document, patterns: tuple[str, ...]) -> bool:
        """Return whether the settings exclude a document."""
        return is_left_alone(document.uri, self._settings.roots, patterns)

    def _text(self, document: Document) -> str:
        r"""Return a document's text with `\n` line ends, joined once for each version of it."""
        known = self._texts.get(document)
        if known is None or known[0] != document.edits:
            text = document.text.replace("\r\n", "\n").replace("\r", "\n")
            known = self._texts[document] = document.edits, text
        return known[1]

    def prepare(self) -> None:
        """Begin to read the workspaces of open documents whose models are ready, before the user types."""
        for document in self._documents:
            self._failures.without("memory", document.uri, partial(self._prepare, document), None)

    def _prepare(self, document: Document) -> None:
        engine = self._models.model_of(document.language, document.uri, load=False).engine
        if engine is not None:
            self.prior_of(document, engine)

    def file_changed(self, uri: str) -> None:
        """Read a file again that was saved, made or removed."""
        self._failures.without("memory", uri, lambda: self._read_again(uri), None)

    def _read_again(self, uri: str) -> None:
        path = path_of(uri)
        if path is None:
            return
        for opened in self._opened:
            if opened.memory.workspace.name_of(path) is not None:
                self._do(uri, partial(opened.memory.file_changed, path))

    def _do(self, uri: str, work: Callable[[], None]) -> None:
        """Do work in the background; an error is logged once per document and cause."""
        self._background.do(lambda: self._failures.without("memory", uri, work, None))

    def forget(self) -> None:
        """Drop every memory, so that it is made again, for example after the models were reopened."""
        self._opened.clear()

    def leave(self) -> None:
        """End running work."""
        self._leaving.set()

    async def _build(self, opened: _Opened) -> None:
        """Read the workspace in the background until the memory is dropped; the client sees the progress."""
        memory = opened.memory
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        progress = await self._client.begin_progress("reading the workspace", 0)

        def call_later(call: Callable[..., object], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
                loop.call_soon_threadsafe(call, *arguments)

        shown_percent = -1

        def report(read: Progress) -> None:
            nonlocal shown_percent
            percent = 100 * read.files // max(1, read.of)
            if percent > shown_percent:
                shown_percent = percent
                call_later(progress.report, percent, f"{read.files} of {read.of} files")

        failure: Exception | None = None

        def is_over() -> bool:
            return opened.is_dropped.is_set() or self._leaving.is_set()

        def work() -> None:
            nonlocal failure
            try:
                if not is_over():  # it may have waited for the workspaces before it
                    memory.refresh(report, lambda refusal: log.debug("%s", refusal), is_over)
            except StoppedError:
                pass
            except Exception as error:
                failure = error
            finally:
                call_later(done.set)

        self._background.do(work)
        await done.wait()
        if is_over():
            progress.end("stopped")
            return
        self.on_built()
        progress.end("done" if failure is None else "failed")
        if failure is not None:
            self._failures.left_out("", "memory", failure)
            self._client.log(
                types.MessageType.Warning,
                f"Memory of {memory.workspace.root} could not be read, and is left out: {cause_of(failure)}",
            )
            return
        more = f", {memory.installed_tokens} of installed packages" if memory.installed else ""
        self._client.log(
            types.MessageType.Info,
            f"Memory of {memory.workspace.root} is ready: {memory.indexed_tokens} tokens of {memory.language}{more}.",
        )


def register(feature: Feature, memory: RepositoryMemory, context: PromptContextProvider) -> None:
    """Register the handlers of saved and watched files."""

    def file_changed(uri: str) -> None:
        memory.file_changed(uri)
        context.file_changed(uri)

    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        file_changed(params.text_document.uri)

    def did_change_watched_files(params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            file_changed(change.uri)

    feature(types.TEXT_DOCUMENT_DID_SAVE)(did_save)
    feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)


async def watch(client: LanguageClient) -> None:
    """Register for files that change outside of the client, if it can watch them."""
    workspace = client.capabilities.workspace
    watching = workspace.did_change_watched_files if workspace else None
    if watching is not None and watching.dynamic_registration:
        pattern = "**/*.{" + ",".join(sorted(suffix[1:] for suffix in LANGUAGES)) + "}"
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers=[types.FileSystemWatcher(pattern)])
        await client.register(WATCH_ID, types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)


def _knows(engine: CompletionEngine, language: str) -> bool:
    """Return whether a model was trained on a language, or its languages are unknown."""
    known = engine.model.languages
    return not known or any(same_language(language, each) for each in known)


def _name(memory: Memory, path: Path) -> str:
    """Return a memory's name for a document."""
    return memory.workspace.name_of(path) or str(path)
