"""Text of other files at the start of the prompt, if the option `contextTokens` is set."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from cg2ls.retrieval.context import PromptContext, SnippetIndex
from cg2ls.server.background import LowPriorityThread
from cg2ls.server.per_workspace import PerWorkspace
from cg2ls.server.uris import path_of, root_of
from cg2ls.workspace import RefusedError, Workspace
from cg2ls.workspace.languages import language_of_name
from cg2ls.workspace.reading_rules import refused_text

if TYPE_CHECKING:
    from pathlib import Path

    from cg2ls.completion import CompletionEngine
    from cg2ls.completion.types import ContextOf
    from cg2ls.server.failures import Failures
    from cg2ls.server.models import Models
    from cg2ls.server.settings import Settings
    from cg2ls.server.snapshot import Snapshot

log = logging.getLogger(__name__)

STALE_S = 60.0
"""Seconds after which saved files are read again, all at once."""


@dataclass
class _Made:
    """A workspace's context, and when its files were read."""

    workspace: Workspace
    language: str
    context: PromptContext
    read_at: float = 0.0
    is_dropped: threading.Event = field(default_factory=threading.Event)


class PromptContextProvider:
    """Contexts of the workspaces of open documents, each made when a document first needs it.

    Args:
        settings: which options are in force where.
        models: the open models; the contexts of others are dropped.
        failures: where errors are recorded.
    """

    def __init__(self, settings: Settings, models: Models, failures: Failures) -> None:
        self._settings = settings
        self._failures = failures
        self._made: PerWorkspace[_Made] = PerWorkspace(
            models.open_engines, lambda made: made.is_dropped.set()
        )
        self._background = LowPriorityThread()
        self._leaving = threading.Event()
        self._here: tuple[_Made, Path, str, int] | None = None

    def context_of(self, document: Snapshot, offset: int, engine: CompletionEngine) -> ContextOf | None:
        """Return the source of a document's context; None if the options or its place exclude it.

        Args:
            document: the document to complete.
            offset: offset of the cursor in its text.
            engine: counts the tokens.
        """
        options = self._settings.of(document.uri, document.language)
        if not options.context_tokens:
            return None
        path = path_of(document.uri)
        root = root_of(path, self._settings.roots) if path else None
        if path is None or root is None:
            return None
        rules = self._settings.reading_rules(root, document.language)

        def make() -> _Made:
            context = PromptContext(document.language, lambda text: len(engine.tokenizer.encode(text)))
            made = _Made(Workspace(root, rules), document.language, context)
            self._read(made)
            return made

        made = self._made.find(root, document.language, engine, rules, make)
        self._go_to(made, path, document.text, offset)
        name = _name(made.workspace, path)
        return lambda text, at, tokens: made.context.text(name, text, at, tokens)

    def file_changed(self, uri: str) -> None:
        """Read other files again, if they are old, after one was saved, made or removed."""
        self._failures.without("context", uri, lambda: self._read_again(uri), None)

    def _read_again(self, uri: str) -> None:
        path = path_of(uri)
        if path is None:
            return
        for made in self._made:
            if made.workspace.name_of(path) is not None and monotonic() - made.read_at > STALE_S:
                self._read(made)

    def closed(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._failures.without("context", uri, lambda: self._forget(uri), None)

    def _forget(self, uri: str) -> None:
        if (path := path_of(uri)) is not None:
            for made in self._made:
                made.context.forget(_name(made.workspace, path))

    def forget(self) -> None:
        """Drop every context, so that it is made again, for example after the models were reopened."""
        self._made.clear()
        self._here = None

    def leave(self) -> None:
        """End running work."""
        self._leaving.set()

    def _go_to(self, made: _Made, path: Path, text: str, offset: int) -> None:
        """Record the user's place; the place in the previous document counts as recently visited."""
        here, self._here = self._here, (made, path, text, offset)
        if here is None or here[1] == path or here[0].is_dropped.is_set():
            return
        left, left_path, left_text, left_offset = here
        if left.workspace.refusal(left_path) is None and refused_text(left_text) is None:
            left.context.recent.add(_name(left.workspace, left_path), left_text, left_offset)

    def _read(self, made: _Made) -> None:
        made.read_at = monotonic()

        def is_over() -> bool:
            return made.is_dropped.is_set() or self._leaving.is_set()

        def read() -> None:
            if is_over():
                return
            made.context.index = SnippetIndex(_files(made.workspace, made.language), is_over)
            log.debug("%d snippets of %s are indexed.", len(made.context.index), made.workspace.root)

        self._background.do(lambda: self._failures.without("context", "", read, None))


def _files(workspace: Workspace, language: str) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the files that may be read."""
    for path in workspace.walk(lambda name: language_of_name(name) == language):
        try:
            yield path.relative_to(workspace.root).as_posix(), workspace.read(path)
        except RefusedError as refused:
            log.debug("%s", refused)


def _name(workspace: Workspace, path: Path) -> str:
    """Return a workspace's name for one of its documents."""
    return workspace.name_of(path) or str(path)
