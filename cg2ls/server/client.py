"""Messages, progress and requests that the server sends to its client on its own."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lsprotocol import types

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

log = logging.getLogger(__name__)

Feature = Callable[..., Callable[[Any], Any]]
"""pygls' decorator that registers the handler of a method."""


class ClientProgress:
    """Progress of one piece of work, shown by the client; does nothing where the client shows no progress."""

    def __init__(self, lsp: LanguageServer, token: str | None) -> None:
        self._lsp = lsp
        self._token = token

    def report(self, percent: int, message: str) -> None:
        """Show how much is done."""
        if self._token is not None:
            report = types.WorkDoneProgressReport(message=message, percentage=percent)
            self._lsp.work_done_progress.report(self._token, report)

    def end(self, message: str) -> None:
        """Show that the work has ended."""
        if self._token is not None:
            self._lsp.work_done_progress.end(self._token, types.WorkDoneProgressEnd(message=message))
            self._lsp.work_done_progress.tokens.pop(self._token, None)  # pygls keeps every token


class LanguageClient:
    """The client of this server.

    Args:
        lsp: pygls' server, which sends.
    """

    def __init__(self, lsp: LanguageServer) -> None:
        self._lsp = lsp

    @property
    def capabilities(self) -> types.ClientCapabilities:
        """Return what `initialize` says that the client can do."""
        return self._lsp.client_capabilities

    @property
    def position_encoding(self) -> types.PositionEncodingKind:
        """Return the encoding of columns that client and server agreed on in `initialize`."""
        return types.PositionEncodingKind(self._lsp.protocol.workspace.position_encoding)

    def log(self, kind: types.MessageType, message: str) -> None:
        """Write a line to the client's log."""
        self._lsp.window_log_message(types.LogMessageParams(kind, message))

    def show(self, kind: types.MessageType, message: str) -> None:
        """Show a message to the user."""
        self._lsp.window_show_message(types.ShowMessageParams(kind, f"cg2ls: {message}"))

    def notify(self, method: str, params: Any) -> None:
        """Send a notification that is not in LSP."""
        self._lsp.protocol.notify(method, params)

    async def request_configuration(self, section: str, scopes: Sequence[str | None]) -> object:
        """Request a section of the settings, for each scope's URI or in general.

        Raises:
            Exception: the client does not answer, or answers with an error.
        """
        items = [types.ConfigurationItem(scope_uri=scope, section=section) for scope in scopes]
        return await self._lsp.workspace_configuration_async(types.ConfigurationParams(items=items))

    async def register(self, identity: str, method: str, options: Any) -> None:
        """Register for a notification; if the client refuses, the log says so."""
        registration = types.Registration(identity, method, options)
        try:
            await self._lsp.client_register_capability_async(types.RegistrationParams([registration]))
        except Exception as error:
            log.info("The client does not send %s (%s).", method, type(error).__name__)

    async def begin_progress(self, title: str, percent: int | None = None) -> ClientProgress:
        """Begin to show progress, if the client agrees.

        Args:
            title: what is done.
            percent: how much is done already; None where that is never known.
        """
        window = self.capabilities.window
        if window is None or not window.work_done_progress:
            return ClientProgress(self._lsp, None)
        token = f"cg2ls-{uuid.uuid4()}"
        try:
            await self._lsp.work_done_progress.create_async(token)
        except Exception:  # the client refused or did not answer; the work does not need it
            return ClientProgress(self._lsp, None)
        begin = types.WorkDoneProgressBegin(title=f"cg2ls: {title}", percentage=percent)
        self._lsp.work_done_progress.begin(token, begin)
        return ClientProgress(self._lsp, token)
