"""Text of other files at the start of the prompt, if the option `contextTokens` is set."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from cg2ls.retrieval.context import PromptContext, SnippetIndex
from cg2ls.retrieval.memory.low_priority_thread import LowPriorityThread
from cg2ls.server.uris import path_of, root_of
from cg2ls.workspace import ReadingRules, RefusedError, Workspace
from cg2ls.workspace.content import refused_text
from cg2ls.workspace.languages import language_of_name

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.completion.types import ContextOf
    from cg2ls.server.failures import Failures
    from cg2ls.server.settings import Settings
    from cg2ls.server.snapshot import Snapshot

log = logging.getLogger(__name__)

STALE_S = 60.0
"""Seconds after which saved files are read again, all at once."""

Key = tuple[Path, str, ReadingRules, int]
"""A context's workspace, language, what of it may be read, and engine."""


class PromptContextProvider:
    """Contexts of the workspaces of open documents, each made when a document first needs it.

    Args:
        settings: which options are in force where.
        failures: where errors are recorded.
    """

    def __init__(self, settings: Settings, failures: Failures) -> None:
        self._settings = settings
        self._failures = failures
        self._made: dict[Key, tuple[Workspace, PromptContext]] = {}
        self._read_at: dict[Key, float] = {}
        self._background = LowPriorityThread()
        self._leaving = threading.Event()
        self._here: tuple[Key, Path, str, int] | None = None

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
        key = root, document.language, rules, id(engine)
        if key not in self._made:
            workspace = Workspace(root, rules)
            context = PromptContext(document.language, lambda text: len(engine.tokenizer.encode(text)))
            self._made[key] = workspace, context
            self._read(key)
        self._go_to(key, path, document.text, offset)
        workspace, context = self._made[key]
        name = _name(workspace, path)
        return lambda text, at, tokens: context.text(name, text, at, tokens)

    def file_changed(self, uri: str) -> None:
        """Read other files again, if they are old, after one was saved, made or removed."""
        self._failures.without("context", uri, lambda: self._read_again(uri), None)

    def _read_again(self, uri: str) -> None:
        path = path_of(uri)
        if path is None:
            return
        for key, (workspace, _) in self._made.items():
            if workspace.name_of(path) is not None and monotonic() - self._read_at[key] > STALE_S:
                self._read(key)

    def closed(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._failures.without("context", uri, lambda: self._forget(uri), None)

    def _forget(self, uri: str) -> None:
        if (path := path_of(uri)) is not None:
            for workspace, context in self._made.values():
                context.forget(_name(workspace, path))

    def forget(self) -> None:
        """Drop every context, so that it is made again, for example after the models were reopened."""
        self._made.clear()
        self._here = None

    def leave(self) -> None:
        """End running work."""
        self._leaving.set()

    def _go_to(self, key: Key, path: Path, text: str, offset: int) -> None:
        """Record the user's place; the place in the previous document counts as recently visited."""
        left, self._here = self._here, (key, path, text, offset)
        if left is None or left[1] == path or left[0] not in self._made:
            return
        workspace, context = self._made[left[0]]
        if workspace.refusal(left[1]) is None and refused_text(left[2]) is None:
            context.recent.add(_name(workspace, left[1]), left[2], left[3])

    def _read(self, key: Key) -> None:
        self._read_at[key] = monotonic()
        workspace, context = self._made[key]

        def read() -> None:
            context.index = SnippetIndex(_files(workspace, key[1]), self._leaving.is_set)
            log.debug("%d snippets of %s are indexed.", len(context.index), workspace.root)

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
