"""What this server's client asked, got and accepted, on its way to the file of counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.models.folder.locations import warn_once
from cg2ls.server.acceptance import Shown
from cg2ls.server.stats import Key, StatsError, StatsFile, stats_file, this_day
from cg2ls.server.usage_counts import Counts

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.documents import Document

SAVE_AFTER_S = 60.0
"""What is lost at most when the process is killed."""


class Usage:
    """Follows completions from request to acceptance. With the option `stats` off it does nothing.

    What fails here costs counts, and neither a document nor the session.

    Args:
        server: whose options say whether to count.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._shown: dict[str, Shown] = {}
        self._new: dict[Key, Counts] = {}
        self._saving: asyncio.TimerHandle | None = None

    def answered(self, language: str, model: str, latency_ms: float) -> None:
        """A request was answered."""
        if self._counting():
            self._counts(language, model).answered(latency_ms)

    def failed(self, language: str, model: str) -> None:
        """Something went wrong with a request."""
        if self._counting():
            self._counts(language, model).failed += 1

    def shown(self, uri: str, shown: Shown) -> None:
        """A completion went to the client; the rest of the one before is the same one."""
        before = self._shown.get(uri)
        self._shown[uri] = shown
        if before is not None and before.is_continued_by(shown.text):
            shown.parts = before.parts
        elif self._counting():
            self._counts(shown.language, shown.model).shown += 1

    def edited(self, document: Document, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """A document was edited."""
        uri = document.uri
        if uri in self._shown and not self._server.failures.without(
            "counting", uri, lambda: self._follow(document, changes), otherwise=False
        ):
            self.forget(uri)

    def _follow(self, document: Document, changes: Sequence[types.TextDocumentContentChangeEvent]) -> bool:
        """Follows an edit; whether the completion may still be there."""
        shown = self._shown[document.uri]
        taken, stays = shown.edited(changes, document.text_from)
        if taken is not None and self._counting():
            counts = self._counts(shown.language, shown.model)
            counts.saved_characters += taken.characters
            counts.accepted += taken.whole
            counts.partly_accepted += taken.first and not taken.whole
        return stays

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._shown.pop(uri, None)

    def save(self) -> None:
        """Writes what was counted since; a file that cannot be written costs the counts, not the session."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        new, self._new = self._new, {}
        if new:
            try:
                StatsFile(stats_file()).add(new)
            except StatsError as error:
                warn_once(str(error))
            except Exception as error:
                self._server.failures.left_out("", "counting", error)

    def _counting(self) -> bool:
        return self._server.settings.of().stats

    def _counts(self, language: str, model: str) -> Counts:
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_AFTER_S, self.save)
        key = this_day().isoformat(), str(language or ""), str(model or "")
        return self._new.setdefault(key, Counts())
