"""The editor's side of a run: it keeps documents open at the server, asks, and compares."""

from __future__ import annotations

import random
import re
from copy import copy
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.chaos import odd_messages
from cg2ls.evaluation.chaos.documents import Mirror, Open, misfit, server_texts

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation, Id
    from cg2ls.evaluation.chaos.result import Chaos

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
"""How the server tells the client's log that it lost a text."""


class Client:
    """Open documents, equal in the editor and at the server, or known not to be.

    Args:
        conversation: with the server.
        found: where losses are counted.
        chance: decides how the server's own requests are answered.

    Attributes:
        mirror: the editor's documents.
        settings: what the editor answers when it is asked for the configuration.
        state: of the server as it told last, see `cg2ls.server.status`.
    """

    def __init__(self, conversation: Conversation, found: Chaos, chance: random.Random) -> None:
        self.conversation = conversation
        self.mirror = Mirror()
        self.settings: Any = {}
        self.state: Json = {}
        self._found = found
        self._chance = chance
        self._reasons: dict[str, str] = {}
        self._silent: set[tuple[str, str]] = set()
        self.behaves = True
        conversation.replies = self._reply
        conversation.heard = self._heard

    def begin(self, roots: list[str]) -> None:
        """The handshake, and waiting for the model."""
        folders = [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in roots]
        params = {
            "processId": None,
            "rootUri": None,
            "capabilities": CAPABILITIES,
            "workspaceFolders": folders,
        }
        self.conversation.call("initialize", params)
        self.conversation.tell("initialized", {})

    def wait_until_ready(self) -> None:
        """Waits for a server that is ready to answer in the document typed in last."""
        uri = next(reversed(self.mirror.documents), "")
        while True:
            answer = self.conversation.call("cg2ls/status", {"textDocument": {"uri": uri}})
            self.state = answer.get("result") or {}
            if self.state.get("state") != "loading":
                return
            self.conversation.receive()

    def type(self, uri: str, language: str, text: str, offset: int) -> Open:
        """A document is as it is now, the cursor at a place; it is opened if need be."""
        document = self.mirror.find(uri)
        if document is None:
            document = self.open(Open(uri, language, text))
        elif text != document.text:
            self.conversation.tell("textDocument/didChange", document.change(document.edited(text)))
        document.offset = offset
        if (old := self.mirror.too_many()) is not None:
            self.close(old)
        return document

    def open(self, document: Open) -> Open:
        """Opens a document, which may be open already."""
        self.mirror.open(document)
        self.conversation.tell("textDocument/didOpen", {"textDocument": document.item()})
        return document

    def close(self, uri: str) -> None:
        """Closes a document."""
        self.mirror.close(uri)
        self.conversation.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def complete(self, document: Open, trigger: int = 2) -> Id:
        """Asks for ghost text at the cursor without waiting; the answer is checked when it comes."""
        asked = copy(document)

        def check(answer: Json) -> None:
            error = answer.get("error")
            if error is None:
                self._found.fitted += 1
                wrong = misfit(asked, answer["result"])
            else:
                wrong = (
                    ""
                    if error.get("code") == CANCELLED
                    else f"error {error.get('code')}: {error.get('message')}"
                )
            if wrong:
                self._found.refused.append(f"{asked.uri} version {asked.version}: {wrong}")

        params = {
            "textDocument": {"uri": document.uri},
            "position": document.position(document.offset),
            "context": {"triggerKind": trigger},
        }
        return self.conversation.ask(odd_messages.INLINE, params, then=check)

    def compare(self, after: str) -> None:
        """Compares all texts; one that the server lost is sent again, whole or by opening the document anew.

        Args:
            after: what was done last, for who looks for the fault.
        """
        lost = self._lost(after)
        for document in lost:
            self._repair(document)
        for document in self._lost(f"{after}, and the whole text sent again") if lost else ():
            self._found.diverged.append(
                f"{document.uri} at key {self._found.keys}: the server does not take it back"
            )

    def _lost(self, after: str) -> list[Open]:
        """The documents whose texts the server does not have."""
        texts = server_texts(self.conversation)
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
                reason = self._reasons.pop(document.uri, "no reason told")
                self._found.silenced[f"text unknown: {reason}"] += 1
        return lost

    def _repair(self, document: Open) -> None:
        if self._chance.random() < 0.5:
            self.conversation.tell("textDocument/didChange", document.change({"text": document.text}))
        else:
            self.close(document.uri)
            self.open(document)

    def _heard(self, method: str, params: Any) -> None:
        if method == "cg2ls/status":
            self.state = params
            uri, cause = params.get("uri", ""), params.get("cause", "")
            if params.get("state") == "off" and (uri, cause) not in self._silent:
                self._silent.add((uri, cause))
                self._found.silenced[cause] += 1
        elif method == "window/logMessage" and (told := UNKNOWN.match(params.get("message", ""))):
            self._reasons[told[1]] = told[2]

    def _reply(self, method: str, params: Any) -> Json | None:
        """Mostly as the protocol has it; now and then wrong, an error, or never."""
        dice = 1.0 if self.behaves else self._chance.random()
        if dice < 0.1:
            return None
        if dice < 0.2:
            return {"error": {"code": -32603, "message": "The editor is busy."}}
        if dice < 0.3:
            return {"result": {"no": ["such", "result", None]}}
        if method == "workspace/configuration":
            return {"result": [self.settings for _ in params["items"]]}
        return {"result": None}
