"""Editor's side of a chaos run: keep documents open at the server, request completions and compare texts."""

from __future__ import annotations

import random
import re
from copy import copy
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.chaos import odd_messages
from cg2ls.evaluation.chaos.documents import (
    OpenDocument,
    OpenDocuments,
    describe_misfit,
    request_server_texts,
)

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation, RequestId
    from cg2ls.evaluation.chaos.result import ChaosResult

Json = dict[str, Any]

CAPABILITIES: Json = {
    "textDocument": {"inlineCompletion": {"dynamicRegistration": True}},
    "window": {"workDoneProgress": True},
    "workspace": {
        "configuration": True,
        "didChangeConfiguration": {"dynamicRegistration": True},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "workspaceFolders": True,
    },
    "experimental": {"cg2ls": {"status": True}},
}

CANCELLED = -32800
UNKNOWN = re.compile(r"The text of (\S+) is unknown[^:]*: (.+)\.$")
"""Pattern of the log message by which the server reports that it lost a text."""


class ChaosClient:
    """Client whose open documents equal the server's, or are known to differ.

    Args:
        conversation: conversation with the server.
        found: receives the counts of losses.
        random_source: decides how the server's own requests are answered.

    Attributes:
        mirror: the editor's documents.
        settings: the answer to a request for the configuration.
        state: the server's last reported state, see `cg2ls.server.status`.
        answers_correctly: whether every request of the server gets a correct answer.
    """

    def __init__(self, conversation: Conversation, found: ChaosResult, random_source: random.Random) -> None:
        self.conversation = conversation
        self.mirror = OpenDocuments()
        self.settings: Any = {}
        self.state: Json = {}
        self._found = found
        self._random = random_source
        self._reasons: dict[str, str] = {}
        self._noted_silences: set[tuple[str, str]] = set()
        self.answers_correctly = True
        conversation.on_request = self._answer_server
        conversation.on_notification = self._note_notification

    def initialize(self, roots: list[str]) -> None:
        """Do the handshake."""
        folders = [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in roots]
        params = {
            "processId": None,
            "rootUri": None,
            "capabilities": CAPABILITIES,
            "workspaceFolders": folders,
        }
        self.conversation.call("initialize", params)
        self.conversation.notify("initialized", {})

    def wait_until_ready(self) -> None:
        """Wait until the server is ready to answer in the document that was edited last."""
        uri = next(reversed(self.mirror.documents), "")
        while True:
            answer = self.conversation.call("cg2ls/status", {"textDocument": {"uri": uri}})
            self.state = answer.get("result") or {}
            if self.state.get("state") != "loading":
                return
            self.conversation.receive()

    def type(self, uri: str, language: str, text: str, offset: int) -> OpenDocument:
        """Set a document's text and cursor; open it if need be."""
        last = next(reversed(self.mirror.documents), "")
        document = self.mirror.activate(uri)
        if document is None:
            document = self.open(OpenDocument(uri, language, text))
        elif text != document.text:
            self.conversation.notify(
                "textDocument/didChange", document.make_change(document.replace_text(text))
            )
        document.offset = offset
        if uri != last:
            place = {"textDocument": {"uri": uri}, "position": document.position_of(offset)}
            self.conversation.notify("textDocument/didFocus", place)
        if (old := self.mirror.find_surplus()) is not None:
            self.close(old)
        return document

    def open(self, document: OpenDocument) -> OpenDocument:
        """Open a document, which may be open already."""
        self.mirror.open(document)
        self.conversation.notify("textDocument/didOpen", {"textDocument": document.to_item()})
        return document

    def close(self, uri: str) -> None:
        """Close a document."""
        self.mirror.close(uri)
        self.conversation.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def complete(self, document: OpenDocument, trigger: int = 2) -> RequestId:
        """Request ghost text at the cursor without waiting; check the answer when it comes."""
        asked = copy(document)

        def check(answer: Json) -> None:
            error = answer.get("error")
            if error is None:
                self._found.fitted += 1
                problem = describe_misfit(asked, answer["result"])
            else:
                problem = (
                    ""
                    if error.get("code") == CANCELLED
                    else f"error {error.get('code')}: {error.get('message')}"
                )
            if problem:
                self._found.refused.append(f"{asked.uri} version {asked.version}: {problem}")

        params = {
            "textDocument": {"uri": document.uri},
            "position": document.position_of(document.offset),
            "context": {"triggerKind": trigger},
        }
        return self.conversation.ask(odd_messages.INLINE, params, on_answer=check)

    def compare(self, after: str) -> None:
        """Compare all texts; send a text that the server lost, as a whole or by opening the document again.

        Args:
            after: the last event, named in reports of a loss.
        """
        lost = self._find_lost(after)
        for document in lost:
            self._repair(document)
        for document in self._find_lost(f"{after}, and the whole text sent again") if lost else ():
            self._found.diverged.append(
                f"{document.uri} at key {self._found.keys}: the server does not take it back"
            )

    def _find_lost(self, after: str) -> list[OpenDocument]:
        """Return the documents whose texts the server does not have."""
        texts = request_server_texts(self.conversation)
        lost = []
        for document in self.mirror.documents.values() if texts is not None else ():
            self._found.compared += 1
            theirs = (texts or {}).get(document.uri)
            if theirs is not None and theirs.known and theirs.sha256 == document.sha256:
                continue
            lost.append(document)
            where = f"{document.uri} at key {self._found.keys} after {after}"
            if theirs is None:
                self._found.diverged.append(f"{where}: the server has no such document")
            elif theirs.known:
                self._found.diverged.append(f"{where}: the server has another text")
            else:
                reason = self._reasons.pop(document.uri, "no reason given")
                self._found.silenced[f"text unknown: {reason}"] += 1
        return lost

    def _repair(self, document: OpenDocument) -> None:
        if self._random.random() < 0.5:
            self.conversation.notify("textDocument/didChange", document.make_change({"text": document.text}))
        else:
            self.close(document.uri)
            self.open(document)

    def _note_notification(self, method: str, params: Any) -> None:
        if method == "cg2ls/status":
            self.state = params
            uri, cause = params.get("uri", ""), params.get("cause", "")
            if params.get("state") == "off" and (uri, cause) not in self._noted_silences:
                self._noted_silences.add((uri, cause))
                self._found.silenced[cause] += 1
        elif method == "window/logMessage" and (told := UNKNOWN.match(params.get("message", ""))):
            self._reasons[told[1]] = told[2]

    def _answer_server(self, method: str, params: Any) -> Json | None:
        """Answer correctly most of the time; sometimes wrongly, with an error, or never."""
        dice = 1.0 if self.answers_correctly else self._random.random()
        if dice < 0.1:
            return None
        if dice < 0.2:
            return {"error": {"code": -32603, "message": "The editor is busy."}}
        if dice < 0.3:
            return {"result": {"no": ["such", "result", None]}}
        if method == "workspace/configuration":
            return {"result": [self.settings for _ in params["items"]]}
        return {"result": None}
