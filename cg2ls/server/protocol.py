"""pygls' protocol, mended where it would leave a client without an answer."""

from __future__ import annotations

import hmac
import json
import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method

from cg2ls.server.framing import Damage

log = logging.getLogger(__name__)

MINE = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
)
"""Notifications that pygls' workspace would take: it splits lines at form feeds and other characters that LSP
does not, so `cg2ls.server.documents` takes them in its place."""


CAPABILITIES_WE_USE = {
    "general": ("positionEncodings",),
    "textDocument": ("inlineCompletion",),
    "window": ("workDoneProgress",),
    "workspace": ("configuration", "didChangeConfiguration"),
}


class Protocol(LanguageServerProtocol):
    """The language server protocol over pygls, whose message loop is `cg2ls.server.transport`.

    Every request is answered: one that cannot be read, or comes before `initialize` or after `shutdown`, with an
    error. What goes wrong inside is an error without the text it went wrong with.

    Attributes:
        left: whether the client sent `exit`, or was sent away.
        token: what the client must send as `initializationOptions.token`; "" for nothing.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.left = False
        self.token = ""
        self._initialized = False
        for method in MINE:
            self.fm.builtin_features.pop(method, None)

    @property
    def asked_to_shut_down(self) -> bool:
        """Whether the client sent `shutdown`."""
        return bool(self._shutdown)

    def receive(self, frame: bytes | Damage) -> None:
        """Handles one message, whatever it is."""
        if isinstance(frame, Damage):
            self._refuse(None, JsonRpcParseError(frame.why))
            return
        try:
            raw = json.loads(frame)
        except (ValueError, RecursionError) as wrong:
            self._refuse(None, JsonRpcParseError(f"A message is no JSON ({type(wrong).__name__})."))
            return
        if refusal := self._refusal(raw):
            identity = raw.get("id") if isinstance(raw, dict) else None
            self._refuse(identity if _is_id(identity) else None, refusal)
        elif not self._too_early(raw) and self._served(raw):
            self._handle(raw)

    def _refusal(self, raw: Any) -> JsonRpcException | None:
        """Why something is no message; None if it is one."""
        if not isinstance(raw, dict):
            return JsonRpcInvalidRequest("A message must be an object.")
        if raw.get("jsonrpc") != self.VERSION:
            return JsonRpcInvalidRequest('A message must have "jsonrpc": "2.0".')
        if "id" in raw and not _is_id(raw["id"]) and "method" in raw:
            return JsonRpcInvalidRequest("The id of a request must be a number or a string.")
        if "method" in raw and not isinstance(raw["method"], str):
            return JsonRpcInvalidRequest("The method of a message must be a string.")
        if not {"method", "id"} & raw.keys():
            return JsonRpcInvalidRequest("A message must have a method or an id.")
        return None

    def _too_early(self, raw: dict[str, Any]) -> bool:
        """Whether a message had to wait for `initialize`, or is a wrong one; a request is then refused."""
        method = raw.get("method")
        if method == types.INITIALIZE and self.token and not self._knows_token(raw):
            self._refuse(
                raw.get("id"), JsonRpcInvalidRequest("initializationOptions.token is not the one asked for.")
            )
            self.left = True
            return True
        if method == types.INITIALIZE and self._initialized:
            self._refuse(raw.get("id"), JsonRpcInvalidRequest("The server is initialized already."))
            return True
        if self._initialized or method in (None, types.INITIALIZE, types.EXIT):
            return False
        if "id" in raw:
            self._refuse(raw["id"], JsonRpcServerNotInitialized("Send initialize first."))
        return True

    def _served(self, raw: dict[str, Any]) -> bool:
        """Whether somebody takes such a message; a request is refused if not."""
        method = raw.get("method")
        if method is not None and "id" in raw and _is_notification(method):
            self._refuse(raw["id"], JsonRpcInvalidRequest(f"{method} is a notification and takes no id."))
            return False
        if method in (None, types.CANCEL_REQUEST, *self.fm.builtin_features, *self.fm.features):
            return True
        if "id" in raw:
            self._refuse(raw["id"], JsonRpcMethodNotFound(f"This server does not know {method}."))
        return False

    def _knows_token(self, raw: dict[str, Any]) -> bool:
        try:
            given = str(raw["params"]["initializationOptions"]["token"])
        except (KeyError, TypeError):
            return False
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _handle(self, raw: dict[str, Any]) -> None:
        if not {"method", "result", "error"} & raw.keys():
            raw["result"] = None  # some clients leave the result out of an answer that has none
        try:
            message = self.structure_message(raw)
            self._initialized |= raw.get("method") == types.INITIALIZE
            self.handle_message(message)
        except JsonRpcException:
            log.warning("A message of the method %s could not be read.", raw.get("method", "(an answer)"))
        except Exception as wrong:
            log.warning("A message could not be handled.", exc_info=wrong)

    def _refuse(self, identity: Any, wrong: JsonRpcException) -> None:
        log.info("A message was refused (%s).", wrong.code)
        if identity is None:  # which lsprotocol would leave out
            error = {"code": wrong.code, "message": wrong.message}
            self._send_data({"jsonrpc": self.VERSION, "id": None, "error": error})
        else:
            self._send_response(identity, error=wrong.to_response_error())

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Makes an object of a message.

        Raises:
            JsonRpcException: it has the wrong shape; if it was a request, it has been answered.
        """
        try:
            message = self._structured(data)
        except JsonRpcException as wrong:
            if "method" not in data:
                self._handle_response(data.get("id", ""), error=wrong.to_response_error())
            elif "id" in data:
                method = data["method"]
                refusal = JsonRpcInvalidParams(f"The parameters of {method} are not what LSP says they are.")
                self._send_response(data["id"], error=refusal.to_response_error())
            raise
        if data.get("method") == types.TEXT_DOCUMENT_INLINE_COMPLETION:
            _keep_version(message, data)
        return message

    def _structured(self, data: dict[str, Any]) -> Any:
        """As pygls does it; a client whose capabilities hold what LSP does not know has only those we use."""
        if data.get("method") != types.INITIALIZE:
            return super().structure_message(data)
        try:
            return super().structure_message(data)
        except JsonRpcException:
            return super().structure_message(_with_capabilities_we_use(data))

    def handle_message(self, message: Any) -> None:
        """Hands a message to its handler."""
        if self._shutdown and hasattr(message, "id") and hasattr(message, "method"):
            late = JsonRpcInvalidRequest("The server is shutting down.")
            self._send_response(message.id, error=late.to_response_error())
            return
        super().handle_message(message)

    def _send_response(
        self, msg_id: Any, result: Any = None, error: types.ResponseError | None = None
    ) -> None:
        if error is not None:
            error.data = None
            if error.code == JsonRpcInternalError.CODE:
                error.message = "Something went wrong inside of cg2ls; its log has the place."
        super()._send_response(msg_id, result, error)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: object) -> None:  # type: ignore[override]  # nothing to wait for
        """Ends the message loop; the exit status tells whether `shutdown` came before."""
        self.left = True


def _with_capabilities_we_use(data: dict[str, Any]) -> dict[str, Any]:
    params = data.get("params")
    given = params.get("capabilities") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(given, dict):
        return data
    kept: dict[str, Any] = {}
    for group, names in CAPABILITIES_WE_USE.items():
        inside = given.get(group)
        if isinstance(inside, dict):
            kept[group] = {name: inside[name] for name in names if name in inside}
    if "experimental" in given:
        kept["experimental"] = given["experimental"]
    return {**data, "params": {**params, "capabilities": kept}}


def _is_notification(method: str) -> bool:
    """Whether LSP has this method as a notification."""
    message, answer, *_ = types.METHOD_TO_TYPES.get(method, (None, None))
    return message is not None and answer is None


def _is_id(identity: Any) -> bool:
    return isinstance(identity, (int, str)) and not isinstance(identity, bool)


def _keep_version(message: Any, data: dict[str, Any]) -> None:
    """Keeps the document's version that Copilot's clients send along with a request."""
    version = data["params"]["textDocument"].get("version")
    if isinstance(version, int) and not isinstance(version, bool):
        uri = message.params.text_document.uri
        message.params.text_document = types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version)
