"""What the server is doing, for a status line: loading, ready, busy, resting, off here and why, failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lsprotocol import types

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger.suppression import Asked, Suppression, suppression
from cg2ls.server.failures import cause_of
from cg2ls.server.models import rests
from cg2ls.server.options import completion_options
from cg2ls.server.uris import is_left_alone

if TYPE_CHECKING:
    from cg2ls.completion import Trigger
    from cg2ls.server.app import Server

METHOD = "cg2ls/status"
"""A notification to clients that ask for it, and a request of clients; both carry the same object."""

COPILOT_METHOD = "didChangeStatus"

State = Literal["loading", "ready", "busy", "idle", "off", "failed"]

QUIET_S = 0.1
"""Changes within this time are told at once; typing makes many."""


@dataclass(frozen=True)
class Status:
    """The state in one document.

    Attributes:
        state: "idle" is a model that gave its memory back and opens again with the next request.
        message: one sentence for people.
        model: name of the model that answers here, "" if there is none.
        cause: of "off": "paused", "excluded" or the name of a silence (`trigger.suppression`); else "".
        uri: the document this is about, "" for none.
        latency_ms: from the last request to its answer; None before the first.
        failures: requests that something went wrong with, in any document since the server began.
    """

    state: State
    message: str
    model: str
    cause: str = ""
    uri: str = ""
    latency_ms: float | None = None
    failures: int = 0

    def to_json(self) -> dict[str, Any]:
        """As clients get it."""
        return {
            "state": self.state,
            "message": self.message,
            "model": self.model,
            "cause": self.cause,
            "uri": self.uri,
            "latencyMs": None if self.latency_ms is None else round(self.latency_ms, 1),
            "failures": self.failures,
        }

    def to_copilot(self) -> dict[str, Any]:
        """As clients of Copilot's server know it."""
        kinds = {"failed": "Error", "off": "Inactive"}
        return {
            "busy": self.state in ("busy", "loading"),
            "kind": kinds.get(self.state, "Normal"),
            "message": "" if self.state in ("ready", "busy") else self.message,
        }


def status_of(server: Server, uri: str = "") -> Status:
    """The state in an open document; in general if it is not open, or where it cannot be told there."""
    try:
        language = server.documents.language_of(uri)
        if language is None:
            uri, language = "", ""
        name = server.model_of(language, uri, load=False).name
        state, message, cause = _state(server, uri, language)
    except Exception as error:
        server.failures.left_out(uri, "status", error)
        state, message, cause, name = "failed", f"The status cannot be told: {cause_of(error)}", "", ""
    return Status(state, message, name, cause, uri, server.board.latency_ms, server.failures.requests)


def _state(server: Server, uri: str, language: str) -> tuple[State, str, str]:
    model = server.model_of(language, uri, load=False)
    if off := off_here(server, uri, language):
        return "off", off.says, off.name
    if model.state == "failed":
        return "failed", model.problem, ""
    if model.state == "loading":
        return "loading", f"{model.name} is loading.", ""
    if model.engine is None or rests(model.engine):
        return "idle", f"{model.name} rests; the next request opens it.", ""
    if server.board.running:
        return "busy", f"{model.name} is at work.", ""
    return "ready", f"{model.name} is ready.", ""


@dataclass
class StatusBoard:
    """Tells clients that show a status of every change.

    Attributes:
        server: whose status it is.
        uri: the document the user looks at, as far as messages tell.
        running: requests under way.
        latency_ms: of the last answer.
    """

    server: Server
    uri: str = ""
    running: int = 0
    latency_ms: float | None = None
    _told: dict[str, Any] = field(default_factory=dict)
    _pending: bool = False

    @contextmanager
    def request(self, uri: str) -> Iterator[None]:
        """A request of a document is under way."""
        self.running += 1
        try:
            self.look_at(uri)
            yield
        finally:
            self.running -= 1
            self.changed()

    def look_at(self, uri: str) -> None:
        """The user is in this document now."""
        self.uri = uri
        self.changed()

    def changed(self) -> None:
        """Something may have changed; clients hear of it soon, if it has. What fails here is logged only."""
        self.server.failures.without("status", self.uri, self._tell_soon, None)

    def _tell_soon(self) -> None:
        if not self._pending and any(self._wanted()):
            asyncio.get_running_loop().call_later(QUIET_S, self._tell_now)
            self._pending = True

    def _tell_now(self) -> None:
        self._pending = False
        self.server.failures.without("status", self.uri, self._tell, None)

    def _tell(self) -> None:
        status = status_of(self.server, self.uri)
        ours, copilots = self._wanted()
        for wanted, method, said in (
            (ours, METHOD, status.to_json()),
            (copilots, COPILOT_METHOD, status.to_copilot()),
        ):
            if wanted and self._told.get(method) != said:
                self._told[method] = said
                self.server.protocol.notify(method, said)

    def _wanted(self) -> tuple[bool, bool]:
        """Whether the client takes our notification, and Copilot's; others would report a method they do not know."""
        return self.server.wants_status, self.server.wants_copilot_status


def register(server: Server) -> None:
    """Registers the request."""

    def status(params: Any) -> dict[str, Any]:
        document = getattr(params, "textDocument", None)
        return status_of(server, str(getattr(document, "uri", server.board.uri))).to_json()

    server.feature(METHOD)(status)


def wants_status(capabilities: types.ClientCapabilities) -> bool:
    """Whether a client has the capability `experimental: {"cg2ls": {"status": true}}`."""
    ours = member(capabilities.experimental, "cg2ls")
    return member(ours, "status") is True


def member(raw: Any, name: str) -> Any:
    """A member of an object of unknown shape; None if it is no object or has none."""
    return raw.get(name) if isinstance(raw, dict) else getattr(raw, name, None)


DID_FOCUS = "textDocument/didFocus"
DID_SHOW = "textDocument/didShowCompletion"
DID_PARTLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


def register_copilot(server: Server) -> None:
    """Registers the handlers."""

    def focused(params: Any) -> None:
        uri = member(member(params, "textDocument"), "uri") or member(params, "uri")
        server.board.look_at(uri if isinstance(uri, str) else "")

    def noted(_: Any) -> None:
        """Nothing to do: edits tell."""

    server.feature(DID_FOCUS)(focused)
    server.feature(DID_SHOW)(noted)
    server.feature(DID_PARTLY_ACCEPT)(noted)


def is_copilot_client(initialization_options: Any) -> bool:
    """Whether a client was made for Copilot's server, whose status notification it then knows."""
    return member(initialization_options, "editorPluginInfo") is not None


PAUSED = Suppression("paused", "Completion is paused; resume it to go on.", lambda _: False, invoked_too=True)

EXCLUDED = Suppression("excluded", "The settings leave this file alone.", lambda _: False, invoked_too=True)

UNKNOWN_TEXT = Suppression(
    "unknown_text",
    "The text of this document is unknown until the editor sends all of it or opens it again.",
    lambda _: False,
    invoked_too=True,
)

SOMEWHERE = Cursor.at("x", 1)
"""A cursor at which nothing is against completing; the reasons left are those of the whole document."""


def off_here(server: Server, uri: str, language: str, trigger: Trigger = "automatic") -> Suppression | None:
    """Why nothing is completed anywhere in a document, None if something may be.

    Args:
        server: with its options and models.
        uri: of the document, "" for any.
        language: its LSP id, "" for any.
        trigger: who asks.
    """
    if server.paused:
        return PAUSED
    if not server.documents.is_known(uri):
        return UNKNOWN_TEXT
    options = server.options_of(uri, language)
    if is_left_alone(uri, server.settings.roots, options.exclude):
        return EXCLUDED
    if alone := server.failures.left_alone(uri, options):
        return alone
    engine = server.model_of(language, uri, load=False).engine
    return suppression(
        Asked(
            cursor=SOMEWHERE,
            language=language,
            known=engine.model.languages if engine else (),
            trigger=trigger,
            options=completion_options(options),
        )
    )
