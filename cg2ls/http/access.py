"""Access control: a request needs this user's token, and web pages are refused."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.errors import Cg2Error
from cg2ls.files import write_atomically
from cg2ls.models.folder.locations import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_FILE = "http-token"  # noqa: S105 - a file's name
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names under which a client on this machine reaches the loopback."""

OPEN_PATHS = frozenset({"/health", "/v1/health"})
"""Paths that need no token: they tell only that a server is there."""

JSON_TYPE = "application/json"


class TokenError(Cg2Error):
    """The file of the token cannot be used, or not safely."""


class RequestRefusedError(Exception):
    """A request is answered with an error.

    Attributes:
        status: status code of HTTP.
        message: one sentence for people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def token_file() -> Path:
    """Return the file that holds the token.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return state_folder() / TOKEN_FILE


def read_token(path: Path, *, platform: str = os.name) -> str:
    """Return the token in a file that only its owner can read; make one if there is none.

    Args:
        path: of the file.
        platform: `os.name`, and something else in tests only.

    Raises:
        TokenError: others can read the file, or it holds no token.
    """
    try:
        try:
            found = path.stat()
        except FileNotFoundError:
            write_atomically(path, secrets.token_urlsafe(32) + "\n", mode=0o600)
            found = path.stat()
        if platform != "nt" and stat.S_IMODE(found.st_mode) & 0o077:
            raise TokenError(f"Others can read {path}; remove it, and a new token is made.")
        token = path.read_text("ascii").strip()
    except OSError as error:
        raise TokenError(f"{path} cannot be used ({error.strerror}); start with --no-token.") from None
    except UnicodeDecodeError:
        token = ""
    if len(token) < 16 or not token.isprintable():
        raise TokenError(f"{path} holds no token of 16 characters or more; remove it, and a new one is made.")
    return token


class Guard:
    """ASGI application that passes on only requests of this user's own programs.

    A web page could reach the loopback by a name that it controls, or by a plain form. Its browser then sends a foreign
    Host, an Origin, or a type that is not JSON.

    Args:
        app: gets the other requests.
        token: what a request must carry; "" for nothing.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self.check(scope["method"], scope["path"], headers)
        except RequestRefusedError as refused:
            await send_error(send, refused.status, refused.message)
        else:
            await self._app(scope, receive, send)

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Check a request before its body is read.

        Raises:
            RequestRefusedError: it may come from a web page, has no token, or is not JSON.
        """
        if host_of(headers.get("host", "")) not in HOSTS:
            raise RequestRefusedError(
                403, "The request names a foreign host; address 127.0.0.1 or localhost."
            )
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            raise RequestRefusedError(403, "Requests of web pages are refused.")
        if path not in OPEN_PATHS and not self._is_known(headers):
            raise RequestRefusedError(401, "The token is missing or wrong; `cg2ls doctor` names its file.")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and kind != JSON_TYPE:
            raise RequestRefusedError(415, f"The content type must be {JSON_TYPE}.")

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return not self._token or hmac.compare_digest(given.encode("utf-8"), self._token.encode("utf-8"))


def host_of(header: str) -> str:
    """Return the name in a Host header without the port."""
    name, _, port = header.lower().rpartition(":")
    return name if name and port.isdigit() else header.lower()


def error_object(status: int, message: str) -> dict[str, Any]:
    """Return an error as llama.cpp and OpenAI write it."""
    kinds = {401: "authentication_error", 403: "permission_error", 503: "unavailable_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"code": status, "message": message, "type": kind, "param": None}}


def error_body(status: int, message: str) -> bytes:
    """Return an error as the body of an answer."""
    return json.dumps(error_object(status, message), ensure_ascii=False).encode("utf-8", "replace")


async def send_error(send: Send, status: int, message: str) -> None:
    """Send an error and end the connection, since the body of the request was not read."""
    body = error_body(status, message)
    headers = [
        (b"content-type", JSON_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
