"""Status of the server, for a status line: loading, ready, busy, unloaded, off here with a reason, failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger import Suppression, TriggerContext, find_suppression
from cg2ls.server.failures import cause_of
from cg2ls.server.models import is_unloaded
from cg2ls.server.options import completion_options
from cg2ls.server.uris import is_left_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsprotocol import types

    from cg2ls.completion import Trigger
    from cg2ls.server.client import Feature, LanguageClient
    from cg2ls.server.documents import Documents
    from cg2ls.server.failures import Failures
    from cg2ls.server.models import ModelLoader
    from cg2ls.server.settings import Settings

METHOD = "cg2ls/status"
"""A notification to clients that request it, and a request of clients; both carry the same object."""

COPILOT_METHOD = "didChangeStatus"
"""The status notification of Copilot's server."""

DID_FOCUS = "textDocument/didFocus"
"""A notification of Copilot's clients: which document the status is about."""

UNUSED_COPILOT_METHODS = ("textDocument/didShowCompletion", "textDocument/didPartiallyAcceptCompletion")
"""Notifications of Copilot's clients that are accepted and ignored: acceptance is inferred from edits."""

QUIET_S = 0.1
"""Seconds over which changes are collected; typing makes many."""

PAUSED = Suppression(
    "paused", "Completion is paused; resume it to continue.", lambda _: False, invoked_too=True
)

EXCLUDED = Suppression("excluded", "The settings exclude this file.", lambda _: False, invoked_too=True)

UNKNOWN_TEXT = Suppression(
    "unknown_text",
    "The text of this document is unknown until the editor sends all of it or opens it again.",
    lambda _: False,
    invoked_too=True,
)

NEUTRAL_CURSOR = Cursor.at("x", 1)
"""A cursor at which no rule suppresses a completion; only reasons that hold in the whole document are left."""

State = Literal["loading", "ready", "busy", "idle", "off", "failed"]


class SuppressedDocuments:
    """Documents in which nothing is completed, and why.

    Args:
        documents: the open documents.
        settings: which options are in force.
        models: which model answers.
        failures: which documents failed too often.

    Attributes:
        is_paused: whether the user paused completion.
    """

    def __init__(
        self, documents: Documents, settings: Settings, models: ModelLoader, failures: Failures
    ) -> None:
        self._documents = documents
        self._settings = settings
        self._models = models
        self._failures = failures
        self.is_paused = False

    def find(self, uri: str, language: str, trigger: Trigger = "automatic") -> Suppression | None:
        """Return why nothing is completed anywhere in a document; None if something may be.

        Args:
            uri: URI of the document, "" for any.
            language: LSP id of its language, "" for any.
            trigger: who requests a completion.
        """
        if self.is_paused:
            return PAUSED
        if not self._documents.is_known(uri):
            return UNKNOWN_TEXT
        options = self._settings.of(uri, language)
        if is_left_alone(uri, self._settings.roots, options.exclude):
            return EXCLUDED
        if failed := self._failures.left_alone(uri, options):
            return failed
        engine = self._models.model_of(language, uri, load=False).engine
        return find_suppression(
            TriggerContext(
                cursor=NEUTRAL_CURSOR,
                language=language,
                known_languages=engine.model.languages if engine else (),
                trigger=trigger,
                options=completion_options(options),
            )
        )


@dataclass(frozen=True)
class Status:
    """The state in one document.

    Attributes:
        state: "idle" is a model that freed its memory and opens again with the next request.
        message: one sentence for people.
        model: name of the model that answers here, "" if there is none.
        cause: of "off": "paused", "excluded" or the name of a suppression (`trigger.suppression`); else "".
        uri: the document this is about, "" for none.
        latency_ms: milliseconds from the last request to its answer; None before the first.
        failures: requests that failed, in any document since the server started.
    """

    state: State
    message: str
    model: str
    cause: str = ""
    uri: str = ""
    latency_ms: float | None = None
    failures: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the object that clients get."""
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
        """Return the object that clients of Copilot's server get."""
        kinds = {"failed": "Error", "off": "Inactive"}
        return {
            "busy": self.state in ("busy", "loading"),
            "kind": kinds.get(self.state, "Normal"),
            "message": "" if self.state in ("ready", "busy") else self.message,
        }


class StatusBoard:
    """The status, sent to clients that show one whenever it changes.

    Args:
        client: gets the status.
        documents: the open documents.
        models: which model answers, and its state.
        suppressed: in which documents nothing is completed.
        failures: number of failures; errors of the status are recorded there.

    Attributes:
        uri: the document that the user looks at, according to messages.
        running: running requests.
        latency_ms: milliseconds of the last answer.
        is_wanted: whether the client accepts our notification.
        is_copilot_wanted: whether the client accepts that of Copilot's server.
    """

    def __init__(
        self,
        client: LanguageClient,
        documents: Documents,
        models: ModelLoader,
        suppressed: SuppressedDocuments,
        failures: Failures,
    ) -> None:
        self._client = client
        self._documents = documents
        self._models = models
        self._suppressed = suppressed
        self._failures = failures
        self.uri = ""
        self.running = 0
        self.latency_ms: float | None = None
        self.is_wanted = self.is_copilot_wanted = False
        self._sent: dict[str, Any] = {}
        self._is_pending = False

    def status_of(self, uri: str = "") -> Status:
        """Return the state in an open document; the general state for other URIs."""
        try:
            language = self._documents.language_of(uri)
            if language is None:
                uri, language = "", ""
            name = self._models.model_of(language, uri, load=False).name
            state, message, cause = self._state(uri, language)
        except Exception as error:
            self._failures.left_out(uri, "status", error)
            state, message, cause, name = "failed", f"The status is unknown: {cause_of(error)}", "", ""
        return Status(state, message, name, cause, uri, self.latency_ms, self._failures.requests)

    def _state(self, uri: str, language: str) -> tuple[State, str, str]:
        model = self._models.model_of(language, uri, load=False)
        if off := self._suppressed.find(uri, language):
            return "off", off.message, off.name
        if model.state == "failed":
            return "failed", model.problem, ""
        if model.state == "loading":
            return "loading", f"{model.name} is loading.", ""
        if model.engine is None or is_unloaded(model.engine):
            return "idle", f"{model.name} is unloaded; the next request opens it.", ""
        if self.running:
            return "busy", f"{model.name} is at work.", ""
        return "ready", f"{model.name} is ready.", ""

    @contextmanager
    def request(self, uri: str) -> Iterator[None]:
        """Count a request of a document as running."""
        self.running += 1
        try:
            self.look_at(uri)
            yield
        finally:
            self.running -= 1
            self.changed()

    def look_at(self, uri: str) -> None:
        """Set the document that the user is in."""
        self.uri = uri
        self.changed()

    def changed(self) -> None:
        """Send the status soon, if it changed; an error is only logged."""
        self._failures.without("status", self.uri, self._send_soon, None)

    def _send_soon(self) -> None:
        if not self._is_pending and any(self._wanted()):
            asyncio.get_running_loop().call_later(QUIET_S, self._send_now)
            self._is_pending = True

    def _send_now(self) -> None:
        self._is_pending = False
        self._failures.without("status", self.uri, self._send, None)

    def _send(self) -> None:
        status = self.status_of(self.uri)
        is_wanted, is_copilot_wanted = self._wanted()
        for should_send, method, content in (
            (is_wanted, METHOD, status.to_json()),
            (is_copilot_wanted, COPILOT_METHOD, status.to_copilot()),
        ):
            if should_send and self._sent.get(method) != content:
                self._sent[method] = content
                self._client.notify(method, content)

    def _wanted(self) -> tuple[bool, bool]:
        """Return whether the client takes our notification, and Copilot's; it may report one it does not know."""
        return self.is_wanted, self.is_copilot_wanted


def register(feature: Feature, board: StatusBoard, on_move: Callable[[Any], object]) -> None:
    """Register the request for the status, and the notifications of Copilot's clients.

    Args:
        feature: registers a handler.
        board: shows the status.
        on_move: receives the parameters of each `textDocument/didFocus`.
    """

    def status(params: Any) -> dict[str, Any]:
        document = getattr(params, "textDocument", None)
        return board.status_of(str(getattr(document, "uri", board.uri))).to_json()

    def did_focus(params: Any) -> None:
        uri = member(member(params, "textDocument"), "uri") or member(params, "uri")
        board.look_at(uri if isinstance(uri, str) else "")
        on_move(params)

    def ignore(_: Any) -> None:
        """Do nothing."""

    feature(METHOD)(status)
    feature(DID_FOCUS)(did_focus)
    for method in UNUSED_COPILOT_METHODS:
        feature(method)(ignore)


def wants_status(capabilities: types.ClientCapabilities) -> bool:
    """Return whether a client has the capability `experimental: {"cg2ls": {"status": true}}`."""
    return member(member(capabilities.experimental, "cg2ls"), "status") is True


def is_copilot_client(initialization_options: Any) -> bool:
    """Return whether a client was made for Copilot's server, whose status notification it then knows."""
    return member(initialization_options, "editorPluginInfo") is not None


def member(raw: Any, name: str) -> Any:
    """Return a member of an object of unknown shape; None if it has none or is no object."""
    return raw.get(name) if isinstance(raw, dict) else getattr(raw, name, None)
