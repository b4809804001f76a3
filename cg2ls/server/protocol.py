"""pygls' protocol, mended where it would leave a client without an answer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcInvalidRequest
from pygls.protocol import LanguageServerProtocol, lsp_method


class Protocol(LanguageServerProtocol):
    """The language server protocol over pygls.

    - A request that cannot be read, or comes after `shutdown`, is answered with an error, not dropped.
    - Documents are kept by `cg2ls.server.documents`, not by pygls' workspace, which splits lines at form
      feeds and other characters that LSP does not.
    - `exit` ends the process without closing stdout under handlers that are still answering.
    """

    @property
    def asked_to_shut_down(self) -> bool:
        """Whether the client sent `shutdown`."""
        return bool(self._shutdown)

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Makes an object of a message.

        Raises:
            JsonRpcException: it has the wrong shape; if it was a request, it has been answered.
        """
        try:
            return super().structure_message(data)
        except JsonRpcException:
            if "id" in data and "method" in data:
                method = data["method"]
                wrong = JsonRpcInvalidParams(f"The parameters of {method} are not what LSP says they are.")
                self._send_response(data["id"], error=wrong.to_response_error())
            raise

    def handle_message(self, message: Any) -> None:
        """Hands a message to its handler."""
        if self._shutdown and hasattr(message, "id") and hasattr(message, "method"):
            late = JsonRpcInvalidRequest("The server is shutting down.")
            self._send_response(message.id, error=late.to_response_error())
            return
        super().handle_message(message)

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Hands the notification to the server's own handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Hands the notification to the server's own handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Hands the notification to the server's own handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE](params)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: object) -> Generator[Any, Any, None]:
        """Leaves the message loop; the exit status tells whether `shutdown` came before."""
        raise SystemExit
