"""pygls' protocol, changed so that every request gets an answer."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext
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
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    lsp_method,
)

from cg2ls.server.fields import UnreadableError, member, text, whole_number
from cg2ls.server.framing import Damage
from cg2ls.server.messages import READERS, is_id

log = logging.getLogger(__name__)

OWN_METHODS = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
)
"""Notifications that pygls' workspace would take: it splits lines at form feeds and other characters that LSP
does not, so `cg2ls.server.documents` takes them in its place; and it loses a folder that is renamed."""

PATIENCE_S = 5.0
"""Seconds that the client has to answer a request of the server."""


class NoAnswerError(Exception):
    """Error of a request of the server that the client did not answer in time."""


class ServerProtocol(LanguageServerProtocol):
    """Language server protocol over pygls; its message loop is `cg2ls.server.transport`.

    Every request is answered: one that cannot be read, or comes before `initialize` or after `shutdown`, with an
    error. Errors inside of the server are answered without the text they occurred with. No wait for an answer of
    the client is longer than `patience_s`.

    Attributes:
        left: whether the client sent `exit`, or was sent away.
        token: what the client must send as `initializationOptions.token`; "" for nothing.
        patience_s: seconds that the client has to answer.
        on_unreadable_message: gets the bytes of a message that is not JSON.
        on_leave: called when the server leaves by itself; ends the message loop.
        beside: returns what runs in the event loop while the server does, such as another listener.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.left = False
        self.token = ""
        self.patience_s = PATIENCE_S
        self.on_unreadable_message: Callable[[bytes], object] = lambda _: None
        self.on_leave: Callable[[], object] = lambda: None
        self.beside: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
        self._initialized = False
        self._asked: set[str | int] = set()
        for method in OWN_METHODS:
            self.fm.builtin_features.pop(method, None)

    @property
    def asked_to_shut_down(self) -> bool:
        """Return whether the client sent `shutdown`."""
        return bool(self._shutdown)

    def receive(self, frame: bytes | Damage) -> None:
        """Handle one message, valid or not."""
        if isinstance(frame, Damage):
            self._refuse(None, JsonRpcParseError(frame.why))
            return
        try:
            raw = json.loads(frame)
        except (ValueError, RecursionError) as error:
            self._refuse(None, JsonRpcParseError(f"A message is not JSON ({type(error).__name__})."))
            self.on_unreadable_message(frame)
            return
        if _is_notification_with_null_id(raw):
            del raw["id"]
        if refusal := self._refusal(raw):
            identity = raw.get("id") if isinstance(raw, dict) else None
            self._refuse(identity if is_id(identity) else None, refusal)
        elif not self._too_early(raw) and self._served(raw):
            self._handle(raw)

    def _refusal(self, raw: Any) -> JsonRpcException | None:
        """Return why a value is not a message; None if it is one."""
        if not isinstance(raw, dict):
            return JsonRpcInvalidRequest("A message must be an object.")
        if raw.get("jsonrpc") != self.VERSION:
            return JsonRpcInvalidRequest('A message must have "jsonrpc": "2.0".')
        if "id" in raw and not is_id(raw["id"]) and "method" in raw:
            return JsonRpcInvalidRequest("The id of a request must be a number or a string.")
        if "method" in raw and not isinstance(raw["method"], str):
            return JsonRpcInvalidRequest("The method of a message must be a string.")
        if not {"method", "id"} & raw.keys():
            return JsonRpcInvalidRequest("A message must have a method or an id.")
        return None

    def _too_early(self, raw: dict[str, Any]) -> bool:
        """Return whether a message came before `initialize`, or is refused for another reason."""
        method = raw.get("method")
        if method == types.INITIALIZE and self.token and not self._knows_token(raw):
            self._refuse(raw.get("id"), JsonRpcInvalidRequest("initializationOptions.token is wrong."))
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
        """Return whether a method has a handler; refuse a request that has none."""
        method = raw.get("method")
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
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def _handle(self, raw: dict[str, Any]) -> None:
        if not {"method", "result", "error"} & raw.keys():
            raw["result"] = None  # some clients leave the result out of an answer that has none
        method = raw.get("method", "(an answer)")
        try:
            message = self.structure_message(raw)
            self._initialized |= method == types.INITIALIZE
            self.handle_message(message)
        except JsonRpcException as error:
            log.warning("A message of the method %s could not be read (%s).", method, error.message)
        except Exception as error:
            log.warning("A message could not be handled.", exc_info=error)

    def _refuse(self, identity: Any, refusal: JsonRpcException) -> None:
        log.info("A message was refused (%s).", refusal.code)
        if identity is None:  # which lsprotocol would leave out
            error = {"code": refusal.code, "message": refusal.message}
            self._send_data({"jsonrpc": self.VERSION, "id": None, "error": error})
        else:
            self._send_response(identity, error=refusal.to_response_error())

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Convert a message to an object.

        Raises:
            JsonRpcException: it has the wrong shape; if it was a request, it has been answered.
        """
        method = data.get("method")
        if method is None:
            return self._answer(data)
        try:
            if method not in READERS:
                return super().structure_message(data)
            params = READERS[method](data.get("params"))
        except (JsonRpcException, UnreadableError) as error:
            refusal = JsonRpcInvalidParams(_refused_params(method, error))
            if "id" in data:
                self._send_response(data["id"], error=refusal.to_response_error())
            raise refusal from None
        if "id" not in data:
            return JsonRPCNotification(method=method, jsonrpc=self.VERSION, params=params)
        return JsonRPCRequestMessage(id=data["id"], method=method, jsonrpc=self.VERSION, params=params)

    def _answer(self, data: dict[str, Any]) -> Any:
        """Convert an answer to one of the server's requests to an object."""
        identity, error = data.get("id"), data.get("error")
        if not is_id(identity) or identity not in self._asked:
            raise JsonRpcInvalidRequest("It answers no request of the server.")
        self._asked.discard(identity)
        self._result_types.pop(identity, None)
        if error is None:
            return JsonRPCResponseMessage(id=identity, jsonrpc=self.VERSION, result=data.get("result"))
        code, message = whole_number(member(error, "code")), text(member(error, "message"))
        said = types.ResponseError(
            code=JsonRpcInternalError.CODE if code is None else code, message=message or ""
        )
        return types.ResponseErrorMessage(id=identity, error=said, jsonrpc=self.VERSION)

    def send_request(
        self,
        method: str,
        params: Any | None = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: str | int | None = None,
    ) -> Future[Any]:
        """Send a request to the client; only `send_request_async` limits the wait for its answer."""
        identity = str(uuid.uuid4()) if msg_id is None else msg_id
        self._asked.add(identity)
        return super().send_request(method, params, callback, identity)

    async def send_request_async(
        self, method: str, params: Any | None = None, msg_id: str | int | None = None
    ) -> Any:
        """Send a request to the client and wait for its answer, for `patience_s` at most.

        Raises:
            NoAnswerError: there is none in time.
            JsonRpcException: the answer is an error.
        """
        identity = str(uuid.uuid4()) if msg_id is None else msg_id
        asked = asyncio.wrap_future(self.send_request(method, params, msg_id=identity))
        try:
            return await asyncio.wait_for(asked, self.patience_s)
        except TimeoutError:
            raise NoAnswerError(f"The client has not answered {method} in {self.patience_s:g} s.") from None
        finally:
            self._asked.discard(identity)
            self._request_futures.pop(identity, None)
            self._result_types.pop(identity, None)

    def leave(self) -> None:
        """End the message loop without a request of the client."""
        self.left = True
        self.on_leave()

    def handle_message(self, message: Any) -> None:
        """Pass a message to its handler."""
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
                error.message = "An error occurred inside of cg2ls; its log says where."
        super()._send_response(msg_id, result, error)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: object) -> None:  # type: ignore[override]  # nothing to wait for
        """End the message loop; the exit status says whether `shutdown` came before."""
        self.left = True


def _refused_params(method: str, error: Exception) -> str:
    detail = f": {error}" if isinstance(error, UnreadableError) else ""
    return f"The parameters of {method} are not what LSP says they are{detail}."


def _is_notification_with_null_id(raw: Any) -> bool:
    """Return whether a client wrote null for "no id"; LSP has no request with the id null."""
    if not isinstance(raw, dict) or raw.get("id", 0) is not None:
        return False
    method = raw.get("method")
    return isinstance(method, str) and _is_notification(method)


def _is_notification(method: str) -> bool:
    """Return whether LSP has this method as a notification."""
    message, answer, *_ = types.METHOD_TO_TYPES.get(method, (None, None))
    return message is not None and answer is None
