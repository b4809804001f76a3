"""Repository memory behind the open documents: built in the background, refreshed as files change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lsprotocol import types

from cg2ls.completion.syntax.languages import same_language
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.background import Background
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.installed_packages import installed
from cg2ls.retrieval.memory.read_workspace import StoppedError
from cg2ls.server.failures import cause_of
from cg2ls.server.uris import is_left_alone, path_of, root_of
from cg2ls.workspace import ReadingRules, Workspace
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion import CompletionEngine
    from cg2ls.completion.types import PriorOf
    from cg2ls.engine.request import Prior
    from cg2ls.retrieval.memory.read_workspace import Progress
    from cg2ls.server.app import Server
    from cg2ls.server.documents import Document, Snapshot

log = logging.getLogger(__name__)

WATCH = "cg2ls-memory"
"""Id under which the client is asked to watch files."""

LARGEST_DOCUMENT = 4_000_000
"""Characters; a larger document is data, and taking it in would hold up the keys typed elsewhere."""

MOST_OTHERS = 16
"""Other open documents whose unsaved text takes part."""

Key = tuple[Path, str, ReadingRules, bool, int]
"""A memory's workspace, language, what of it may be read, whether installed packages count, and engine."""


class RepositoryMemory:
    """The memories of a server, each made when a document first wants it.

    Args:
        server: whose documents and options count.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._opened: dict[Key, Memory] = {}
        self._texts: WeakKeyDictionary[Document, tuple[int, str]] = WeakKeyDictionary()
        self._background = Background()
        self._leaving = threading.Event()

    def prior_of(self, document: Snapshot | Document, engine: CompletionEngine) -> PriorOf | None:
        """What a document's session asks; None where the options or its place leave it without memory."""
        options = self._server.options_of(document.uri, document.language)
        path = path_of(document.uri)
        if not (options.enable and options.memory) or path is None:
            return None
        if len(document.text) > LARGEST_DOCUMENT:
            return None
        root = root_of(path, self._server.settings.roots)
        packages = options.memory_dependencies and root is not None and _knows(engine, document.language)
        folder = root or path.parent
        rules = self._server.settings.reading_rules(folder, document.language)
        key = folder, document.language, rules, packages, id(engine)
        memory = self._opened.get(key)
        if memory is None:
            workspace = Workspace(folder, rules)
            found = installed(workspace.root, document.language) if packages else None
            memory = Memory(workspace, document.language, engine.tokenizer, installed=found, update=in_child)
            self._opened[key] = memory
            if root is not None:
                self._server.in_background(self._build(memory))
        name = _name(memory, path)
        others = self._others(memory, name)

        def prior(text: str, offset: int) -> Prior | None:
            if memory.must_open(name, text):
                self._do(document.uri, lambda: memory.opened(name, text))
            return memory.prior(name, text, offset, others)

        return prior

    def _others(self, memory: Memory, name: str) -> dict[str, str]:
        """Texts of the other open documents a memory is about, as they stand in the editor."""
        texts: dict[str, str] = {}
        for document in reversed(list(self._server.documents)):
            path = path_of(document.uri)
            if path is None or document.language != memory.language or len(texts) == MOST_OTHERS:
                continue
            other = _name(memory, path)
            inside = other != name and not Path(other).is_absolute()
            options = self._server.options_of(document.uri, document.language)
            takes_part = inside and options.enable and options.memory
            if not takes_part or self._is_private(document, options.exclude):
                continue
            texts[other] = self._text(document)
        return texts

    def _is_private(self, document: Document, patterns: tuple[str, ...]) -> bool:
        """Whether the settings for a document leave it alone."""
        return is_left_alone(document.uri, self._server.settings.roots, patterns)

    def _text(self, document: Document) -> str:
        r"""A document's text with `\n` line ends, put together once for each version of it."""
        known = self._texts.get(document)
        if known is None or known[0] != document.edits:
            text = document.text.replace("\r\n", "\n").replace("\r", "\n")
            known = self._texts[document] = document.edits, text
        return known[1]

    def prepare(self) -> None:
        """Begins with the workspaces of open documents whose models are ready, before anyone types."""
        for document in self._server.documents:
            self._server.failures.without("memory", document.uri, partial(self._prepare, document), None)

    def _prepare(self, document: Document) -> None:
        engine = self._server.model_of(document.language, document.uri, load=False).engine
        if engine is not None:
            self.prior_of(document, engine)

    def file_changed(self, uri: str) -> None:
        """Reads a file again that was saved, made or removed."""
        self._server.failures.without("memory", uri, lambda: self._read_again(uri), None)

    def _read_again(self, uri: str) -> None:
        path = path_of(uri)
        if path is None:
            return
        for memory in self._opened.values():
            if memory.workspace.name_of(path) is not None:
                self._do(uri, partial(memory.file_changed, path))

    def _do(self, uri: str, work: Callable[[], None]) -> None:
        """Does something in the background; what it raises is logged once per document and cause."""
        self._background.do(lambda: self._server.failures.without("memory", uri, work, None))

    def forget(self) -> None:
        """Makes memories anew, as after the models were opened anew."""
        self._opened.clear()

    def leave(self) -> None:
        """Ends what is under way."""
        self._leaving.set()

    async def _build(self, memory: Memory) -> None:
        """Reads the workspace in the background; the client sees how far it is."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        token = await self._begin_progress()

        def tell(percent: int, message: str) -> None:
            if token is not None:
                report = types.WorkDoneProgressReport(message=message, percentage=percent)
                self._server.work_done_progress.report(token, report)

        def later(call: Callable[..., object], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: the server has left
                loop.call_soon_threadsafe(call, *arguments)

        told = -1

        def report(progress: Progress) -> None:
            nonlocal told
            percent = 100 * progress.files // max(1, progress.of)
            if percent > told:
                told = percent
                later(tell, percent, f"{progress.files} of {progress.of} files")

        failure: Exception | None = None

        def work() -> None:
            nonlocal failure
            try:
                memory.refresh(report, lambda refusal: log.debug("%s", refusal), self._leaving.is_set)
            except StoppedError:
                pass
            except Exception as error:
                failure = error
            finally:
                later(done.set)

        self._background.do(work)
        await done.wait()
        self._server.sessions.clear()  # what was answered without the workspace is asked anew
        if token is not None:
            said = "done" if failure is None else "failed"
            self._server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=said))
        if failure is not None:
            self._server.failures.left_out("", "memory", failure)
            self._server.log_message(
                types.MessageType.Warning,
                f"Memory of {memory.workspace.root} could not be read, and is left out: {cause_of(failure)}",
            )
            return
        more = f", {memory.installed_tokens} of installed packages" if memory.installed else ""
        self._server.log_message(
            types.MessageType.Info,
            f"Memory of {memory.workspace.root} is ready: {memory.indexed_tokens} tokens of {memory.language}{more}.",
        )

    async def _begin_progress(self) -> str | None:
        """A progress token the client took, with the work begun; None if it shows no progress."""
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return None
        token = f"cg2ls-{uuid.uuid4()}"
        try:
            await self._server.work_done_progress.create_async(token)
        except Exception:  # the client refused; reading goes on without
            return None
        begin = types.WorkDoneProgressBegin(title="cg2ls: reading the workspace", percentage=0)
        self._server.work_done_progress.begin(token, begin)
        return token


def register(server: Server) -> None:
    """Registers the handlers of saved and watched files."""

    def saved(params: types.DidSaveTextDocumentParams) -> None:
        server.memory.file_changed(params.text_document.uri)
        server.prompt_context.file_changed(params.text_document.uri)

    def watched(params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            server.memory.file_changed(change.uri)
            server.prompt_context.file_changed(change.uri)

    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(saved)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(watched)


async def watch(server: Server) -> None:
    """Asks the client to tell of files that change outside of it, if it can."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace else None
    if watching is None or not watching.dynamic_registration:
        return
    pattern = "**/*.{" + ",".join(sorted(suffix[1:] for suffix in LANGUAGES)) + "}"
    options = types.DidChangeWatchedFilesRegistrationOptions(watchers=[types.FileSystemWatcher(pattern)])
    registration = types.Registration(WATCH, types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except Exception as error:  # the client refused; saved files are told of all the same
        log.info("Files are not watched: %s", error)


def _knows(engine: CompletionEngine, language: str) -> bool:
    """Whether a model was trained on a language, or nobody wrote down on which."""
    known = engine.model.languages
    return not known or any(same_language(language, each) for each in known)


def _name(memory: Memory, path: Path) -> str:
    """How memory calls a document."""
    return memory.workspace.name_of(path) or str(path)
